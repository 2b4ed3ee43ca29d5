"""What a service holds of tokens that ended before their time."""

import asyncio
import time
from typing import Any

import pytest

from toolmesh_serving import access_token
from toolmesh_serving.access_token import AccessTokenVerifier, FetchedKeys
from toolmesh_serving.errors import TokenInvalid, Unavailable
from toolmesh_serving.revocations import SEQUENCE_TIME_SHIFT, Revocations, revocation_mark


def sequence_at(seconds: float) -> int:
    """The sequence of a revocation that was made then."""
    return int(seconds * 1000) << SEQUENCE_TIME_SHIFT


def verifier(signer: Any, revocations: Revocations) -> AccessTokenVerifier:
    """A verifier that knows these revocations."""

    async def fetch() -> dict[str, Any]:
        return signer.key_set()

    return AccessTokenVerifier(
        FetchedKeys(fetch),
        issuer="https://toolmesh.dev",
        audience="toolmesh",
        revocations=revocations,
    )


@pytest.mark.parametrize(
    ("kind", "name"), [("session", "key:1"), ("user", "random"), ("role", "developer")]
)
async def test_a_revocation_ends_older_tokens_of_what_it_names(
    signer: Any, kind: str, name: str
) -> None:
    """Also those that were verified before; a token that was minted after it is good."""
    revocations = Revocations()
    checked = verifier(signer, revocations)
    now = sequence_at(time.time())
    old = signer.token(uid="random", rev=str(now - 1))
    unaware = signer.token(uid="random")
    new = signer.token(uid="random", rev=str(now))
    for token in (old, unaware, new):
        await checked.verify(token)
    revocations.add(revocation_mark(kind, name), now)

    for token in (old, unaware):
        assert checked.recall(token) is None
        with pytest.raises(TokenInvalid):
            await checked.verify(token)
    assert checked.recall(new) is not None


async def test_a_revocation_of_something_else_ends_nothing(signer: Any) -> None:
    """Kinds do not run into each other: a user named like a session is another thing."""
    revocations = Revocations()
    checked = verifier(signer, revocations)
    token = signer.token(uid="key:1")
    await checked.verify(token)
    for kind, name in (("session", "key:2"), ("role", "key:1"), ("user", "developer")):
        revocations.add(revocation_mark(kind, name), sequence_at(time.time()))

    assert checked.recall(token) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"rev": 7},
        {"rev": "-1"},
        {"rev": "x"},
        {"rev": "9" * 21},
        {"rev": "\u0663"},
        {"sid": 7},
        {"uid": []},
        {"act": "agent"},
    ],
)
async def test_claims_of_another_form_are_refused(signer: Any, changes: dict[str, Any]) -> None:
    """They could not be compared with revocations."""
    with pytest.raises(TokenInvalid):
        await verifier(signer, Revocations()).verify(signer.token(**changes))


async def test_nothing_is_trusted_before_the_revocations_are_known(
    signer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls are to be tried again until then; then they go on."""
    monkeypatch.setattr(access_token, "_REVOCATIONS_SECONDS", 0.01)
    revocations = Revocations(known=False)
    checked = verifier(signer, revocations)
    with pytest.raises(Unavailable) as caught:
        await checked.verify(signer.token())
    assert caught.value.retry_after_seconds == 1
    monkeypatch.setattr(access_token, "_REVOCATIONS_SECONDS", 10)
    waiting = asyncio.create_task(checked.verify(signer.token()))
    await asyncio.sleep(0)
    revocations.mark_known()

    assert (await waiting).subject == "ann"


async def test_revocations_are_forgotten_when_no_token_is_so_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is held does not grow for ever, and what still matters stays."""
    revocations = Revocations()
    revocations.keep_seconds = 3600
    begun = time.time()
    for minute in range(0, 120, 10):
        now = begun + minute * 60
        monkeypatch.setattr(time, "time", lambda now=now: now)
        revocations.add(revocation_mark("session", f"key:{minute}"), sequence_at(now))
    held = [sequence for _, sequence in revocations.after(0)]

    assert held == [sequence_at(begun + minute * 60) for minute in range(110, 40, -10)]


async def test_asking_costs_the_same_however_many_there_are() -> None:
    """A hundred thousand revocations are a look-up, as ten are."""

    def seconds_of(count: int) -> float:
        revocations = Revocations()
        for number in range(count):
            revocations.add(revocation_mark("session", str(number)), number + 1)
        marks = (revocation_mark("session", "x"), revocation_mark("role", "viewer"))
        best = float("inf")
        for _ in range(5):
            begun = time.thread_time()
            for _ in range(2000):
                revocations.revoked(marks, 0)
            best = min(best, time.thread_time() - begun)
        return best

    ratio = seconds_of(100_000) / seconds_of(10)
    print(f"100,000 revocations cost {ratio:.2f} times what ten do")
    assert ratio < 5
