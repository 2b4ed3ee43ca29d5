"""Signing in, refreshing, signing out, and guessing."""

import asyncio
import threading
import time
from typing import Any

import grpc
import pytest

from toolmesh.identity.v1 import (
    session_service_pb2,
    session_service_pb2_grpc,
    token_service_pb2,
    user_service_pb2,
    user_service_pb2_grpc,
)

PASSWORD = "correct horse battery"


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata of a call with a token."""
    return (("authorization", f"Bearer {token}"),)


async def sign_in(identity: Any, user: str = "ann", password: str = PASSWORD, **more: Any) -> Any:
    """Signs in."""
    request = session_service_pb2.SignInRequest(user=user, password=password)
    return await identity.sessions.SignIn(request, **more)


async def refresh(identity: Any, token: str) -> Any:
    """Uses a refresh token."""
    request = session_service_pb2.RefreshSessionRequest(refresh_token=token)
    return await identity.sessions.RefreshSession(request)


async def who_am_i(identity: Any, token: str) -> Any:
    """Asks with a token."""
    request = token_service_pb2.WhoAmIRequest()
    return await identity.tokens.WhoAmI(request, metadata=bearer(token))


async def ended(identity: Any, token: str) -> None:
    """Waits until a token is refused; fails after ten seconds."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            await who_am_i(identity, token)
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.UNAUTHENTICATED:
                return
            raise
    raise AssertionError("the token is still good")


@pytest.fixture
async def ann(identity: Any) -> Any:
    """The running service, with a developer who has a password."""
    await identity.make_user("ann", "developer", password=PASSWORD)
    return identity


async def test_a_user_signs_in_and_stays_so(ann: Any) -> None:
    """The access token has the user's scopes; each refresh gives the next pair."""
    first = await sign_in(ann)
    answer = await who_am_i(ann, first.access_token)
    assert (answer.subject, list(answer.roles)) == ("ann", ["developer"])
    assert "workspace:write" in answer.scopes
    assert first.session.user == "ann"
    second = await refresh(ann, first.refresh_token)
    third = await refresh(ann, second.refresh_token)

    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    await who_am_i(ann, third.access_token)


async def test_a_refresh_token_used_twice_ends_the_session(ann: Any, failure_of: Any) -> None:
    """Whoever has a copy, and the user, are both out: tokens and refresh tokens are refused."""
    first = await sign_in(ann)
    second = await refresh(ann, first.refresh_token)
    failure = await failure_of(refresh(ann, first.refresh_token))

    assert (failure.code, failure.reason) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "REFRESH_TOKEN_INVALID",
    )
    await ended(ann, second.access_token)
    await ended(ann, first.access_token)
    failure = await failure_of(refresh(ann, second.refresh_token))
    assert failure.reason == "REFRESH_TOKEN_INVALID"


async def test_a_refresh_token_used_many_times_at_once_is_used_twice(
    ann: Any, failure_of: Any
) -> None:
    """One of them at most is answered, and its session has ended."""
    first = await sign_in(ann)
    answers = await asyncio.gather(
        *(refresh(ann, first.refresh_token) for _ in range(8)), return_exceptions=True
    )
    good = [answer for answer in answers if not isinstance(answer, BaseException)]

    assert len(good) <= 1
    for answer in good:
        failure = await failure_of(refresh(ann, answer.refresh_token))
        assert failure.reason == "REFRESH_TOKEN_INVALID"


@pytest.mark.parametrize("kind", ["garbage", "guessed", "of another session", "long", "altered"])
async def test_a_guessed_refresh_token_ends_nothing(ann: Any, failure_of: Any, kind: str) -> None:
    """Only a token that was good once can end a session, so who knows its id alone cannot."""
    first = await sign_in(ann)
    other = await sign_in(ann)
    prefix, rest = first.refresh_token[:21], first.refresh_token[21:]
    other_end = "AA" if not rest.endswith("AA") else "BA"
    guess = {
        "garbage": "garbage",
        "guessed": prefix + "A" * len(rest),
        "of another session": prefix + other.refresh_token[21:],
        "long": first.refresh_token + "A",
        "altered": first.refresh_token[:-2] + other_end,
    }[kind]
    failure = await failure_of(refresh(ann, guess))

    assert failure.reason == "REFRESH_TOKEN_INVALID"
    await refresh(ann, first.refresh_token)


async def test_no_refresh_token_or_password_is_kept(ann: Any, store: Any) -> None:
    """The store has hashes of both."""
    signed_in = await sign_in(ann)
    kept = b""
    for name in await store.keys("*"):
        if await store.type(name) == b"string":
            kept += await store.get(name)

    assert signed_in.refresh_token[21:].encode() not in kept
    assert PASSWORD.encode() not in kept
    assert b"$argon2id$v=19$m=19456,t=2,p=1$" in kept


async def test_strangers_learn_nothing_of_who_is_a_user(ann: Any, failure_of: Any) -> None:
    """A wrong password, an unknown user, one without a password, a suspended one: one answer."""
    await ann.make_user("robot", "viewer")
    await ann.make_user("sus", "viewer", password=PASSWORD)
    await ann.users.SuspendUser(user_service_pb2.SuspendUserRequest(id="sus"))
    failures = [
        await failure_of(sign_in(ann, user, password))
        for user, password in (
            ("ann", "wrong"),
            ("nobody", PASSWORD),
            ("robot", PASSWORD),
            ("sus", PASSWORD),
            ("sus", "wrong"),
            ("a:b/../c*", PASSWORD),
        )
    ]

    assert len({str(failure) for failure in failures}) == 1
    assert failures[0].code == grpc.StatusCode.UNAUTHENTICATED
    assert failures[0].reason == "SIGN_IN_FAILED"


async def test_an_unknown_user_costs_the_same_work(
    ann: Any, failure_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One Argon2id verification each, also for a user who is not there."""
    from argon2 import PasswordHasher

    counted: list[str] = []
    real = PasswordHasher.verify

    def verify(self: Any, stored: Any, password: Any) -> Any:
        counted.append(stored.rpartition("$")[0].rpartition("$")[0])
        return real(self, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", verify)
    await failure_of(sign_in(ann, "ann", "wrong"))
    await failure_of(sign_in(ann, "nobody", "wrong"))

    assert counted == ["$argon2id$v=19$m=19456,t=2,p=1"] * 2


async def test_guessing_passwords_is_stopped(ann: Any, failure_of: Any) -> None:
    """After ten failures the right password is refused, too; another address still gets in."""
    here, there = (("x-toolmesh-client", "192.0.2.1"),), (("x-toolmesh-client", "192.0.2.2"),)
    for _ in range(10):
        failure = await failure_of(sign_in(ann, password="wrong", metadata=here))
        assert failure.reason == "SIGN_IN_FAILED"
    failure = await failure_of(sign_in(ann, metadata=here))

    assert (failure.code, failure.reason) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "TOO_MANY_ATTEMPTS",
    )
    assert failure.retry_seconds is not None
    assert 0 < failure.retry_seconds <= 900
    await sign_in(ann, metadata=there)


async def test_guesses_that_come_at_once_are_all_counted(ann: Any, failure_of: Any) -> None:
    """Thirty at once get no more than ten tries."""
    failures = await asyncio.gather(*(failure_of(sign_in(ann, password="x")) for _ in range(30)))

    assert [failure.reason for failure in failures].count("SIGN_IN_FAILED") == 10


async def test_one_address_cannot_try_many_users(ann: Any, failure_of: Any) -> None:
    """One guess for each of many users is stopped as well, known or not."""
    reasons = [
        (await failure_of(sign_in(ann, f"user{number}", "guess"))).reason for number in range(62)
    ]

    assert reasons == ["SIGN_IN_FAILED"] * 60 + ["TOO_MANY_ATTEMPTS"] * 2


async def test_good_sign_ins_use_up_nothing(ann: Any) -> None:
    """A user who signs in often is not taken for one who guesses."""
    for _ in range(12):
        await sign_in(ann)


async def test_who_signs_out_is_out(ann: Any, failure_of: Any) -> None:
    """That session has ended, others have not; with an API key there is no session to end."""
    first, second = await sign_in(ann), await sign_in(ann)
    request = session_service_pb2.SignOutRequest()
    await ann.sessions.SignOut(request, metadata=bearer(first.access_token))

    await ended(ann, first.access_token)
    failure = await failure_of(refresh(ann, first.refresh_token))
    assert failure.reason == "REFRESH_TOKEN_INVALID"
    await refresh(ann, second.refresh_token)
    token = (await ann.exchange(ann.admin_key)).access_token
    failure = await failure_of(ann.sessions.SignOut(request, metadata=bearer(token)))
    assert failure.reason == "SESSION_UNKNOWN"


async def test_sessions_are_listed_and_ended_by_whose_they_are(ann: Any, failure_of: Any) -> None:
    """A user sees its own alone; an administrator may end any."""
    await ann.make_user("bob", "developer", password=PASSWORD)
    mine, other = await sign_in(ann), await sign_in(ann, "bob")
    metadata = bearer(mine.access_token)
    listing = session_service_pb2.ListSessionsRequest
    end = session_service_pb2.EndSessionRequest
    listed = await ann.sessions.ListSessions(listing(), metadata=metadata)
    assert [session.id for session in listed.sessions] == [mine.session.id]
    failure = await failure_of(ann.sessions.ListSessions(listing(user="bob"), metadata=metadata))
    assert failure.reason == "NOT_OWNER"
    failure = await failure_of(ann.sessions.EndSession(end(id=other.session.id), metadata=metadata))
    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "SESSION_UNKNOWN")

    admin = bearer((await ann.exchange(ann.admin_key)).access_token)
    stub = session_service_pb2_grpc.SessionServiceStub(ann.public)
    await stub.EndSession(end(id=other.session.id), metadata=admin)
    await ended(ann, other.access_token)
    assert (await stub.ListSessions(listing(user="bob"), metadata=admin)).sessions == []


async def test_a_changed_password_ends_the_sessions(ann: Any, failure_of: Any) -> None:
    """One's own needs the current one; after it only the new one is good."""
    signed_in = await sign_in(ann)
    stub = user_service_pb2_grpc.UserServiceStub(ann.public)
    change = user_service_pb2.ChangePasswordRequest
    metadata = bearer(signed_in.access_token)
    wrong = change(current_password="wrong", new_password="another long one")
    failure = await failure_of(stub.ChangePassword(wrong, metadata=metadata))
    assert failure.reason == "SIGN_IN_FAILED"
    right = change(current_password=PASSWORD, new_password="another long one")
    await stub.ChangePassword(right, metadata=metadata)

    await ended(ann, signed_in.access_token)
    failure = await failure_of(refresh(ann, signed_in.refresh_token))
    assert failure.reason == "REFRESH_TOKEN_INVALID"
    assert (await failure_of(sign_in(ann))).reason == "SIGN_IN_FAILED"
    await sign_in(ann, password="another long one")


async def test_an_old_password_is_not_good_across_its_change(
    ann: Any, failure_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sign-in that was checked before the change, and would begin after it, begins nothing."""
    from argon2 import PasswordHasher

    checked, changed = threading.Event(), threading.Event()
    real = PasswordHasher.verify

    def verify(self: Any, stored: Any, password: Any) -> Any:
        good = real(self, stored, password)
        checked.set()
        changed.wait(10)
        return good

    monkeypatch.setattr(PasswordHasher, "verify", verify)
    signing_in = asyncio.ensure_future(failure_of(sign_in(ann)))
    await asyncio.to_thread(checked.wait, 10)
    request = user_service_pb2.SetPasswordRequest(id="ann", password="another long one")
    await ann.users.SetPassword(request)
    changed.set()

    assert (await signing_in).reason == "SIGN_IN_FAILED"


async def test_a_user_has_at_most_a_hundred_sessions(
    ann: Any, failure_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that was used longest ago makes room for a new one."""
    from toolmesh_identity import sessions

    monkeypatch.setattr(sessions, "_MAX_A_USER", 2)
    signed_in = [await sign_in(ann) for _ in range(3)]

    await ended(ann, signed_in[0].access_token)
    for each in signed_in[1:]:
        await refresh(ann, each.refresh_token)
