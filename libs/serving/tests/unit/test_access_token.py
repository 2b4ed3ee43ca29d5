"""Verifying access tokens: keys that are fetched, tokens that are remembered."""

import asyncio
import base64
import time
from types import SimpleNamespace
from typing import Any

import jwt
import pytest

from toolmesh_serving import access_token
from toolmesh_serving.access_token import AccessTokenVerifier, FetchedKeys
from toolmesh_serving.errors import TokenInvalid, Unavailable


class KeySets:
    """Gives out key sets and counts how often; an exception among them is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.count = 0

    async def fetch(self) -> dict[str, Any]:
        """The next key set; the last one for ever."""
        self.count += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await asyncio.sleep(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time that the module under test reads: set `now` to move it."""
    clock = SimpleNamespace(now=time.time())
    fake = SimpleNamespace(time=lambda: clock.now, monotonic=lambda: clock.now)
    monkeypatch.setattr(access_token, "time", fake)
    return clock


def verifier(key_sets: KeySets) -> AccessTokenVerifier:
    """A verifier with these keys."""
    return AccessTokenVerifier(
        FetchedKeys(key_sets.fetch), issuer="https://toolmesh.dev", audience="toolmesh"
    )


async def test_no_other_algorithm_is_taken_whatever_the_keys(signer: Any) -> None:
    """A key set with a symmetric key, as by mistake, lets nobody in who knows that key."""
    secret = b"x" * 64
    symmetric = {
        "kty": "oct",
        "kid": "shared",
        "alg": "HS256",
        "k": base64.urlsafe_b64encode(secret).decode().rstrip("="),
    }
    keys = KeySets({"keys": [symmetric, *signer.key_set()["keys"]]})
    token = jwt.encode(signer.claims(), secret, algorithm="HS256", headers={"kid": "shared"})

    with pytest.raises(TokenInvalid):
        await verifier(keys).verify(token)


async def test_a_token_that_is_too_long_is_not_read(signer: Any) -> None:
    """Not even one under our own signature; the longest that there may be is."""
    checked = verifier(KeySets(signer.key_set()))
    assert await checked.verify(signer.token(padding="x" * 5000))
    with pytest.raises(TokenInvalid):
        await checked.verify(signer.token(padding="x" * 6500))


async def test_keys_are_fetched_once(signer: Any) -> None:
    """A hundred first calls at once cause one fetch."""
    key_sets = KeySets(signer.key_set())
    checked = verifier(key_sets)
    callers = await asyncio.gather(
        *(checked.verify(signer.token(sub=f"user{number}")) for number in range(100))
    )

    assert [caller.subject for caller in callers] == [f"user{number}" for number in range(100)]
    assert key_sets.count == 1


async def test_invented_key_ids_cause_no_storm(
    signer: Any, make_signer: Any, clock: SimpleNamespace
) -> None:
    """Unknown key ids cause at most one fetch a second, and good tokens go on meanwhile."""
    key_sets = KeySets(signer.key_set())
    checked = verifier(key_sets)
    await checked.verify(signer.token())

    for _ in range(3):
        clock.now += 1.01
        for number in range(100):
            with pytest.raises(TokenInvalid):
                await checked.verify(make_signer(f"invented-{number % 3}").token())
        await checked.verify(signer.token(jti=str(clock.now)))

    assert key_sets.count == 4


async def test_a_new_key_is_learnt_when_it_is_first_met(
    signer: Any, make_signer: Any, clock: SimpleNamespace
) -> None:
    """After a rotation, the first token with the new key has the keys fetched again."""
    other = make_signer("key-2")
    both = {"keys": signer.key_set()["keys"] + other.key_set()["keys"]}
    checked = verifier(KeySets(signer.key_set(), both))
    await checked.verify(signer.token())
    clock.now += 1.01

    assert (await checked.verify(other.token(sub="bob"))).subject == "bob"
    assert (await checked.verify(signer.token(sub="cid"))).subject == "cid"


@pytest.mark.parametrize(
    "trouble",
    [OSError("away"), {"keys": []}, {}, {"keys": "none"}, {"keys": [{"kty": "nonsense"}]}, []],
)
async def test_keys_that_cannot_be_had_are_asked_for_again(
    trouble: Any, signer: Any, clock: SimpleNamespace, logs: list[Any]
) -> None:
    """Until there are any, calls are to be tried again, and a second passes between fetches."""
    key_sets = KeySets(trouble, signer.key_set())
    checked = verifier(key_sets)
    for _ in range(10):
        with pytest.raises(Unavailable) as caught:
            await checked.verify(signer.token())
        assert caught.value.retry_after_seconds == 1
    assert key_sets.count == 1
    assert [entry["event"] for entry in logs] == ["keys not fetched"]

    clock.now += 1.01
    assert (await checked.verify(signer.token())).subject == "ann"


async def test_keys_stay_good_while_their_source_is_away(
    signer: Any, make_signer: Any, clock: SimpleNamespace
) -> None:
    """A service goes on serving known keys when identity is down."""
    checked = verifier(KeySets(signer.key_set(), OSError("away")))
    await checked.verify(signer.token())
    clock.now += 1.01
    with pytest.raises(TokenInvalid):
        await checked.verify(make_signer("key-2").token())

    assert (await checked.verify(signer.token(sub="bob"))).subject == "bob"


async def test_a_verified_token_is_remembered_until_it_ends(
    signer: Any, clock: SimpleNamespace
) -> None:
    """A second look costs nothing, but never outlives the token."""
    checked = verifier(KeySets(signer.key_set()))
    token = signer.token(exp=int(clock.now) + 60)
    assert checked.recall(token) is None
    caller = await checked.verify(token)

    assert checked.recall(token) is caller
    assert await checked.verify(token) is caller
    clock.now += 60
    assert checked.recall(token) is None


async def test_no_more_tokens_are_remembered_than_fit(
    signer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest goes first, and one that is used stays."""
    monkeypatch.setattr(access_token, "_CACHE_SIZE", 2)
    checked = verifier(KeySets(signer.key_set()))
    tokens = [signer.token(jti=str(number)) for number in range(3)]
    await checked.verify(tokens[0])
    await checked.verify(tokens[1])
    checked.recall(tokens[0])
    await checked.verify(tokens[2])

    assert [checked.recall(token) is not None for token in tokens] == [True, False, True]


@pytest.mark.parametrize(
    ("claim", "workspaces"), [(None, None), ([], set()), (["one", "two", "one"], {"one", "two"})]
)
async def test_a_token_may_be_good_for_certain_workspaces_alone(
    claim: list[str] | None, workspaces: set[str] | None, signer: Any
) -> None:
    """Without the claim it is good for all; an empty list is none."""
    checked = verifier(KeySets(signer.key_set()))
    caller = await checked.verify(signer.token(workspaces=claim))
    assert caller.workspaces == workspaces
