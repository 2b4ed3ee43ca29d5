"""Tokens by which an agent acts for a user: how far they go, and what ends them."""

import json
import time
from collections.abc import Sequence
from typing import Any

import grpc
import jwt
import pytest

from toolmesh.identity.v1 import (
    api_key_service_pb2,
    role_service_pb2,
    session_service_pb2,
    token_service_pb2,
    user_service_pb2,
)
from toolmesh_contracts.contract import Contract, SideEffect

PASSWORD = "correct horse battery"
WHO_AM_I = token_service_pb2.WhoAmIRequest()


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata of a call with a token."""
    return (("authorization", f"Bearer {token}"),)


def claims_of(token: str) -> dict[str, Any]:
    """What a token says."""
    return jwt.decode(token, options={"verify_signature": False})


class Parties:
    """A user who signed in, and agents with keys of their own that may act for others."""

    def __init__(self, identity: Any, signed_in: Any) -> None:
        self.identity = identity
        self.signed_in = signed_in
        self.user = signed_in.access_token
        self.key_ids: dict[str, str] = {}

    async def agent(self, name: str = "agent") -> str:
        """An access token of an agent, a program that can do nothing else."""
        request = api_key_service_pb2.CreateApiKeyRequest(
            display_name=name, subject=name, roles=["agent"]
        )
        made = await self.identity.keys.CreateApiKey(request)
        self.key_ids[name] = made.api_key.id
        return (await self.identity.exchange(made.key)).access_token

    async def delegate(self, actor: str, subject: str | None = None, **wanted: Any) -> Any:
        """Asks, as the actor, to act for the subject."""
        request = token_service_pb2.DelegateTokenRequest(
            subject_token=self.user if subject is None else subject, **wanted
        )
        return await self.identity.tokens.DelegateToken(request, metadata=bearer(actor))

    async def who_am_i(self, token: str) -> Any:
        """What the mesh thinks of a token."""
        return await self.identity.tokens.WhoAmI(WHO_AM_I, metadata=bearer(token))

    async def ended(self, token: str) -> None:
        """Waits until a token is refused; fails after ten seconds."""
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                await self.who_am_i(token)
            except grpc.aio.AioRpcError as error:
                if error.code() == grpc.StatusCode.UNAUTHENTICATED:
                    return
                raise
        raise AssertionError("the token is still good")


async def parties_of(identity: Any) -> Parties:
    """Makes a user, signs it in, and defines the agents' role."""
    await identity.make_user("ann", "developer", password=PASSWORD)
    await identity.roles.CreateRole(
        role_service_pb2.CreateRoleRequest(name="agent", scopes=["identity:use"])
    )
    request = session_service_pb2.SignInRequest(user="ann", password=PASSWORD)
    return Parties(identity, await identity.sessions.SignIn(request))


@pytest.fixture
async def parties(identity: Any) -> Parties:
    """A user who signed in, and agents."""
    return await parties_of(identity)


async def test_an_agent_acts_for_a_user(parties: Parties) -> None:
    """The token is the user's, says who acts, and has what was asked for and no more."""
    wanted = ["repomap:read", "workspace:read"]
    made = await parties.delegate(await parties.agent(), scopes=wanted, workspaces=["w2", "w1"])
    claims, parents = claims_of(made.access_token), claims_of(parties.user)
    answer = await parties.who_am_i(made.access_token)

    assert (claims["sub"], claims["act"]["sub"]) == ("ann", "agent")
    assert {name: claims[name] for name in ("sid", "uid", "rev")} == {
        name: parents[name] for name in ("sid", "uid", "rev")
    }
    assert claims["jti"] != parents["jti"]
    assert claims["workspaces"] == ["w1", "w2"]
    assert claims["scope"] == "repomap:read workspace:read"
    assert claims["exp"] - claims["iat"] == made.expires_in.seconds == 600
    assert (answer.subject, answer.actors, answer.workspaces) == ("ann", ["agent"], ["w1", "w2"])
    assert list(answer.scopes) == list(made.scopes) == wanted
    assert list(made.workspaces) == ["w1", "w2"]


async def test_without_wishes_it_goes_as_far_as_the_user(parties: Parties) -> None:
    """All scopes, all workspaces; and of an ordinary token neither actor nor workspaces show."""
    made = await parties.delegate(await parties.agent())
    answer, users = (
        await parties.who_am_i(made.access_token),
        await parties.who_am_i(parties.user),
    )

    assert answer.scopes == users.scopes
    assert "workspaces" not in claims_of(made.access_token)
    assert (list(users.actors), list(users.workspaces)) == ([], [])


async def test_nothing_is_wider_than_what_the_subject_has(
    parties: Parties, failure_of: Any
) -> None:
    """Neither scopes nor workspaces, and not when a cut token is delegated on either."""
    agent = await parties.agent()
    failure = await failure_of(parties.delegate(agent, scopes=["repomap:read", "identity:admin"]))
    assert (failure.code, failure.reason) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "SCOPE_TOO_WIDE",
    )
    assert list(failure.fields) == ["scopes[1]"]
    cut = (
        await parties.delegate(agent, scopes=["repomap:read"], workspaces=["w1", "w2"])
    ).access_token
    failure = await failure_of(parties.delegate(agent, cut, scopes=["workspace:read"]))
    assert failure.reason == "SCOPE_TOO_WIDE"
    failure = await failure_of(parties.delegate(agent, cut, workspaces=["w1", "w3"]))
    assert (failure.code, failure.reason) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "WORKSPACE_TOO_WIDE",
    )
    assert list(failure.fields) == ["workspaces[1]"]
    on = await parties.delegate(agent, cut)
    assert (list(on.scopes), list(on.workspaces)) == (["repomap:read"], ["w1", "w2"])
    assert list((await parties.delegate(agent, cut, workspaces=["w2"])).workspaces) == ["w2"]


async def test_it_ends_with_the_subjects_token_at_the_latest(parties: Parties) -> None:
    """Delegating on gains no time; a shorter life can be asked for."""
    agent = await parties.agent()
    short = await parties.delegate(agent, lifetime_seconds=30)
    on = await parties.delegate(agent, short.access_token)

    assert short.expires_in.seconds == 30
    assert claims_of(on.access_token)["exp"] == claims_of(short.access_token)["exp"]


async def test_a_token_ends_with_its_key(parties: Parties, identity: Any) -> None:
    """A key that ends in two minutes gives no token that lives longer, delegated or not."""
    end = int(time.time()) + 120
    made = await identity.make_key("developer", expire_time={"seconds": end})
    token = (await identity.exchange(made.key)).access_token
    delegated = await parties.delegate(await parties.agent(), token)

    assert claims_of(token)["exp"] == end
    assert claims_of(delegated.access_token)["exp"] == end


async def test_a_life_of_over_ten_minutes_is_refused(parties: Parties, failure_of: Any) -> None:
    """The field is named."""
    failure = await failure_of(parties.delegate(await parties.agent(), lifetime_seconds=601))

    assert failure.code == grpc.StatusCode.INVALID_ARGUMENT
    assert list(failure.fields) == ["lifetime_seconds"]


async def test_agents_act_for_agents_three_deep(parties: Parties, failure_of: Any) -> None:
    """Each is named, the one who acts now first; a fourth is refused."""
    token = parties.user
    for name in ("first", "second", "third"):
        token = (await parties.delegate(await parties.agent(name), token)).access_token
    act = claims_of(token)["act"]

    assert (act["sub"], act["act"]["sub"], act["act"]["act"]["sub"]) == (
        "third",
        "second",
        "first",
    )
    assert list((await parties.who_am_i(token)).actors) == ["third", "second", "first"]
    failure = await failure_of(parties.delegate(await parties.agent("fourth"), token))
    assert (failure.code, failure.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "DELEGATION_TOO_DEEP",
    )


async def test_who_acts_for_another_cannot_let_itself_be_an_actor(
    parties: Parties, failure_of: Any
) -> None:
    """The actor shows a token of its own; one that was delegated to it is none."""
    delegated = (await parties.delegate(await parties.agent())).access_token
    failure = await failure_of(parties.delegate(delegated))

    assert (failure.code, failure.reason) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "DELEGATED_TOKEN",
    )


async def test_an_actor_needs_the_scope_for_it(
    parties: Parties, identity: Any, failure_of: Any
) -> None:
    """A viewer's key cannot act for anyone, nor can a stranger."""
    made = await identity.make_key("viewer")
    viewer = (await identity.exchange(made.key)).access_token
    failure = await failure_of(parties.delegate(viewer))
    assert (failure.reason, failure.metadata) == ("SCOPE_MISSING", {"scope": "identity:use"})
    failure = await failure_of(parties.delegate("garbage"))
    assert failure.code == grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("kind", ["garbage", "altered", "unsigned", "revoked", "an API key"])
async def test_a_subject_token_that_is_not_good_is_refused(
    parties: Parties, identity: Any, failure_of: Any, kind: str
) -> None:
    """All alike, and not as if the actor's own token were at fault."""
    agent = await parties.agent()
    token = {
        "garbage": "garbage",
        "altered": parties.user[:-6] + "AAAAAA",
        "unsigned": jwt.encode(claims_of(parties.user), "", algorithm="none"),
        "revoked": parties.user,
        "an API key": identity.admin_key,
    }[kind]
    if kind == "revoked":
        request = session_service_pb2.SignOutRequest()
        await identity.sessions.SignOut(request, metadata=bearer(parties.user))
        await parties.ended(parties.user)
    failure = await failure_of(parties.delegate(agent, token))

    assert (failure.code, failure.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "SUBJECT_TOKEN_INVALID",
    )
    assert list(failure.fields) == ["subject_token"]


@pytest.mark.parametrize("end", ["session", "user", "role", "agent"])
async def test_what_ends_the_user_or_the_agent_ends_the_token(
    parties: Parties, identity: Any, end: str
) -> None:
    """Delegated on or not."""
    first = (await parties.delegate(await parties.agent("first"))).access_token
    token = (await parties.delegate(await parties.agent("second"), first)).access_token
    await parties.who_am_i(token)
    if end == "session":
        request = session_service_pb2.SignOutRequest()
        await identity.sessions.SignOut(request, metadata=bearer(parties.user))
    elif end == "user":
        await identity.users.SuspendUser(user_service_pb2.SuspendUserRequest(id="ann"))
    elif end == "role":
        viewer = user_service_pb2.RoleNames(names=["viewer"])
        await identity.users.UpdateUser(user_service_pb2.UpdateUserRequest(id="ann", roles=viewer))
    else:
        request = api_key_service_pb2.RevokeApiKeyRequest(id=parties.key_ids["first"])
        await identity.keys.RevokeApiKey(request)

    await parties.ended(token)


async def test_an_agent_that_was_let_in_again_may_act(parties: Parties, identity: Any) -> None:
    """What ended before the agent's own token was made does not end what it does now."""
    await identity.make_user("bot", "developer")
    await identity.users.SuspendUser(user_service_pb2.SuspendUserRequest(id="bot"))
    await identity.users.ReinstateUser(user_service_pb2.ReinstateUserRequest(id="bot"))
    token = (await parties.delegate(await parties.agent("bot"))).access_token

    assert list((await parties.who_am_i(token)).actors) == ["bot"]


def _changing_methods() -> Sequence[Any]:
    contract = Contract.load()
    own = [m for m in contract.methods if m.path.startswith("/toolmesh.identity.")]
    return [m for m in own if m.policy.side_effect is not SideEffect.READ and not m.policy.public]


@pytest.mark.parametrize("method", _changing_methods(), ids=lambda method: method.path)
async def test_a_delegated_token_changes_nothing_here(
    parties: Parties, identity: Any, failure_of: Any, method: Any
) -> None:
    """Of an administrator even: no privilege outlives the delegation. Made from the contract."""
    admin = (await identity.exchange(identity.admin_key)).access_token
    token = (await parties.delegate(await parties.agent(), admin)).access_token
    texts = {"scopes": ["repomap:read"], "roles": ["viewer"], "users": [{"id": "x"}]}
    fields = {
        field.name: texts[field.name] if field.is_repeated else "x" * 12
        for field in method.input.fields
        if (field.is_repeated and field.name in texts)
        or (field.type == field.TYPE_STRING and not field.is_repeated)
    }
    call = identity.public.unary_unary(
        method.path,
        request_serializer=method.input_class.SerializeToString,
        response_deserializer=method.output_class.FromString,
    )
    failure = await failure_of(call(method.input_class(**fields), metadata=bearer(token)))

    assert (failure.code, failure.reason) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "DELEGATED_TOKEN",
    )


async def test_the_audit_log_hears_who_acts_for_whom(parties: Parties, store: Any) -> None:
    """With scopes and workspaces, and no token."""
    made = await parties.delegate(await parties.agent(), scopes=["repomap:read"], workspaces=["w1"])
    (event,) = [
        fields
        for _, fields in await store.xrange("audit:outbox")
        if fields[b"action"] == b"identity.token.delegate"
    ]

    assert (event[b"actor"], event[b"target"]) == (b"agent", b"ann")
    assert json.loads(event[b"after"]) == {
        "actors": ["agent"],
        "scopes": ["repomap:read"],
        "workspaces": ["w1"],
    }
    assert made.access_token not in str(event)
