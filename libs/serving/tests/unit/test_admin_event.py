"""The fields of an administrator's event, and what is left out of them."""

import json
import time
from typing import Any

import pytest

from toolmesh_serving.admin_event import admin_event_fields, without_secrets

KEY = "tmk_abcdefghijklmnop_" + "s3cr3t" * 7 + "x"
TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"


def test_fields_of_an_event_outside_of_a_call() -> None:
    """All fields are texts; the mesh itself is the actor, and what is not there is empty."""
    fields = admin_event_fields("identity.user.create", "ann", after={"roles": ("admin",), "n": 1})

    assert float(fields.pop("time")) > 1.7e9
    assert json.loads(fields.pop("after")) == {"roles": ["admin"], "n": 1}
    assert fields == {
        "actor": "system",
        "session": "",
        "delegate": "",
        "action": "identity.user.create",
        "target": "ann",
        "before": "",
        "request_id": "",
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"password": "p"}, {"password": "[removed]"}),
        ({"Client_Secret": "p"}, {"Client_Secret": "[removed]"}),
        ({"password_hash": b"p"}, {"password_hash": "[removed]"}),
        ({"refresh_tokens": ["a", "b"]}, {"refresh_tokens": "[removed]"}),
        ({"deep": [{"api_key": "p"}]}, {"deep": [{"api_key": "[removed]"}]}),
        ({"note": f"has {KEY} in it"}, {"note": "has [removed] in it"}),
        ({"note": f"Bearer {TOKEN}"}, {"note": "Bearer [removed]"}),
        ({"note": f"eyJ eyJa.b eyJ-{TOKEN}"}, {"note": "eyJ eyJa.b [removed]"}),
        ({"note": f"eyJ{KEY} {KEY}"}, {"note": "eyJ[removed] [removed]"}),
        ({"raw": b"bytes"}, {"raw": "[removed]"}),
        ({"api_key_id": "k1", "token_seconds": 900}, {"api_key_id": "k1", "token_seconds": 900}),
        ({"password": ""}, {"password": ""}),
        ({"roles": ("a", "b"), "n": 1}, {"roles": ["a", "b"], "n": 1}),
    ],
)
def test_secrets_are_left_out(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """Values go by the names of their members, and keys and tokens wherever they stand."""
    assert without_secrets(given) == expected


@pytest.mark.parametrize("piece", ["eyJ", "eyJ.", "eyJa.eyJ", "tma_", "tma_a_"])
def test_the_time_that_looking_takes_grows_with_the_text_alone(piece: str) -> None:
    """A text of many beginnings of secrets, which any caller can send, is looked through once."""

    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        begin = time.thread_time()
        without_secrets(text)
        return time.thread_time() - begin

    assert min(seconds(50_000) for _ in range(3)) < 40 * min(seconds(5_000) for _ in range(9))
