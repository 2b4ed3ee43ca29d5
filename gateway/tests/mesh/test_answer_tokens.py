"""What a tool counts as the tokens of its answer is what the gateway sends."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from toolmesh.codesearch.v1 import codesearch_service_pb2
from toolmesh.repomap.v1 import symbol_service_pb2
from toolmesh_serving.answer_budget import gateway_json
from toolmesh_serving.tokens import count_tokens

# Characters at both ends of what the transcoder escapes, and some that it does not.
_SIGNS = (
    "\x7f\x9f\xa0\xad\u0600\u0603\u0604\u06dd\u070f\u17b4\u17b5\u200b\u200f\u2010\u2028\u202e"
    "\u2060\u2064\u206a\u206f\ufeff\ufff9\ufffb\ufffd\U0001d173\U0001d17a\U0001f600\U000e0001"
    "\U000e0020\U000e007f\U0010fffd"
)
_CODE = f'''def smaller(a: "list[int]", b):
    """Is `a` < `b` && not é, or one of {_SIGNS}?"""
    return a < b
'''


@pytest.mark.parametrize(
    ("path", "asked", "kind"),
    [
        (
            "/v1/codesearch:search",
            {"query": "which is smaller", "max_tokens": 700},
            codesearch_service_pb2.SearchResponse,
        ),
        (
            "/v1/repomap:getOutline",
            {"path": "module_1.py"},
            symbol_service_pb2.GetOutlineResponse,
        ),
    ],
)
def test_the_tokens_of_an_answer_are_those_of_what_is_sent(
    toolmesh: "Callable[..., subprocess.CompletedProcess[str]]",
    mesh_address: str,
    mesh_admin_key: str,
    tmp_path: Path,
    path: str,
    asked: dict[str, object],
    kind: type[Message],
) -> None:
    """To the last character: signs that are escaped, numbers with a fraction, fields not set."""
    for number in range(12):
        (tmp_path / f"module_{number}.py").write_text(_CODE.replace("smaller", f"smaller_{number}"))
    pushed = toolmesh("push", str(tmp_path), "--json")
    assert pushed.returncode == 0, pushed.stderr
    answer = httpx.post(
        f"http://{mesh_address}{path}",
        json={"workspace": json.loads(pushed.stdout)["workspace"], **asked},
        headers={"x-api-key": mesh_admin_key},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    message = json_format.ParseDict(answer.json(), kind())
    assert answer.text == gateway_json(message)
    assert answer.json()["tokenCount"] == count_tokens(answer.text)
