"""Signing in with ID tokens of an issuer outside of the mesh, and who one is then."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

import grpc
import jwt
import pytest

from toolmesh.identity.v1 import (
    api_key_service_pb2,
    session_service_pb2,
    token_service_pb2,
    user_pb2,
    user_service_pb2,
)

CONFIGURATION = "/.well-known/openid-configuration"
KEYS = "/keys"
GROUPS = 'role_claim = "groups"\nroles = { admins = ["admin"], engineers = ["developer"] }\n'
PROVISION = "provision = true\n" + GROUPS
REFUSED = (grpc.StatusCode.PERMISSION_DENIED, "EXTERNAL_ACCOUNT_REFUSED")
INVALID = (grpc.StatusCode.UNAUTHENTICATED, "ID_TOKEN_INVALID")


async def sign_in(identity: Any, token: str, **more: Any) -> Any:
    """Signs in with an ID token."""
    request = session_service_pb2.SignInWithIdTokenRequest(id_token=token, **more)
    return await identity.sessions.SignInWithIdToken(request)


async def refresh(identity: Any, token: str) -> Any:
    """Uses a refresh token."""
    request = session_service_pb2.RefreshSessionRequest(refresh_token=token)
    return await identity.sessions.RefreshSession(request)


async def who_am_i(identity: Any, token: str) -> Any:
    """Asks with an access token."""
    metadata = (("authorization", f"Bearer {token}"),)
    return await identity.tokens.WhoAmI(token_service_pb2.WhoAmIRequest(), metadata=metadata)


async def user_of(identity: Any, user_id: str) -> Any:
    """A user."""
    return (await identity.users.GetUser(user_service_pb2.GetUserRequest(id=user_id))).user


@pytest.fixture
async def ours(
    make_settings: Any, run_identity: Any, issuers_file: Any, issuer: Any
) -> AsyncGenerator[Any]:
    """A service that trusts the issuer, maps its groups to roles and makes users."""
    path = issuers_file((issuer.url, PROVISION))
    async with run_identity(make_settings(issuers_file=path)) as identity:
        yield identity


async def test_who_comes_for_the_first_time_becomes_a_user(ours: Any, issuer: Any) -> None:
    """With the roles of its groups, a session, and tokens that are refreshed."""
    signed_in = await sign_in(ours, issuer.token(groups=["engineers", "others"]))
    caller = await who_am_i(ours, signed_in.access_token)
    user = await user_of(ours, "ann")

    assert (caller.subject, list(caller.roles)) == ("ann", ["developer"])
    assert signed_in.session.user == "ann"
    assert (user.display_name, user.has_password) == ("Ann Example", False)
    assert user.external_identity == user_pb2.ExternalIdentity(issuer=issuer.url, subject="00u1")
    again = await refresh(ours, signed_in.refresh_token)
    assert (await who_am_i(ours, again.access_token)).subject == "ann"
    assert issuer.fetched == [CONFIGURATION, KEYS]


async def test_a_user_is_known_by_issuer_and_subject_alone(
    ours: Any, issuer: Any, failure_of: Any
) -> None:
    """Another name is the same user; another subject with that name, or address, is not."""
    await sign_in(ours, issuer.token(groups="engineers"))
    renamed = await sign_in(ours, issuer.token(groups="engineers", preferred_username="anna"))
    assert renamed.session.user == "ann"
    thief = issuer.token(groups="engineers", sub="00u2", email="ann@example.com")
    failure = await failure_of(sign_in(ours, thief))

    assert (failure.code, failure.reason) == REFUSED
    assert "the name ann is another's here" in failure.message


async def test_a_user_who_is_here_is_not_taken_over(
    ours: Any, issuer: Any, failure_of: Any
) -> None:
    """Whoever bears the name of the administrator elsewhere is not the one here."""
    token = issuer.token(groups="admins", preferred_username="admin")
    failure = await failure_of(sign_in(ours, token))

    assert (failure.code, failure.reason) == REFUSED


async def test_a_name_that_stands_for_another_is_not_given(
    ours: Any, issuer: Any, failure_of: Any
) -> None:
    """Neither a program's nor that of a removed user, not even to the same account."""
    request = api_key_service_pb2.CreateApiKeyRequest(
        display_name="test", subject="robot", roles=["viewer"]
    )
    await ours.keys.CreateApiKey(request)
    await sign_in(ours, issuer.token(groups=["engineers"]))
    await ours.users.DeleteUser(user_service_pb2.DeleteUserRequest(id="ann"))
    for name, subject in (("robot", "00u2"), ("ann", "00u2"), ("ann", "00u1")):
        token = issuer.token(groups=["engineers"], preferred_username=name, sub=subject)
        failure = await failure_of(sign_in(ours, token))
        assert (failure.code, failure.reason) == REFUSED


async def test_roles_follow_the_claims_at_each_sign_in(
    ours: Any, issuer: Any, failure_of: Any
) -> None:
    """Who lost a group has lost its scopes, also in tokens of before; who lost all is out."""
    first = await sign_in(ours, issuer.token(groups=["engineers", "admins"]))
    assert list((await user_of(ours, "ann")).roles) == ["admin", "developer"]
    await sign_in(ours, issuer.token(groups=["engineers"]))
    assert list((await user_of(ours, "ann")).roles) == ["developer"]
    await ended(ours, first.access_token)
    failure = await failure_of(sign_in(ours, issuer.token()))

    assert (failure.code, failure.reason) == REFUSED
    assert "no role" in failure.message
    assert list((await user_of(ours, "ann")).roles) == []


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


async def test_a_suspended_user_stays_out(ours: Any, issuer: Any, failure_of: Any) -> None:
    """The issuer cannot let it in again, an administrator can."""
    token = issuer.token(groups="engineers")
    await sign_in(ours, token)
    await ours.users.SuspendUser(user_service_pb2.SuspendUserRequest(id="ann"))
    failure = await failure_of(sign_in(ours, token))
    assert (failure.code, failure.reason) == REFUSED
    await ours.users.ReinstateUser(user_service_pb2.ReinstateUserRequest(id="ann"))

    await sign_in(ours, token)


async def test_many_first_sign_ins_at_once_make_one_user(ours: Any, issuer: Any) -> None:
    """All of them are that user, and the keys are fetched once."""
    token = issuer.token(groups="engineers")
    answers = await asyncio.gather(*(sign_in(ours, token) for _ in range(8)))

    assert {answer.session.user for answer in answers} == {"ann"}
    assert issuer.fetched == [CONFIGURATION, KEYS]


async def test_without_provisioning_an_administrator_says_who_it_is(
    make_settings: Any, run_identity: Any, issuers_file: Any, issuer: Any, failure_of: Any
) -> None:
    """A user with the external identity signs in, with its roles of here; nobody else does."""
    settings = make_settings(issuers_file=issuers_file((issuer.url, "")))
    external = user_pb2.ExternalIdentity(issuer=issuer.url, subject="00u1")
    update = user_service_pb2.UpdateUserRequest
    async with run_identity(settings) as identity:
        failure = await failure_of(sign_in(identity, issuer.token()))
        assert (failure.code, failure.reason) == REFUSED
        await identity.make_user("bob", "viewer")
        changed = await identity.users.UpdateUser(update(id="bob", external_identity=external))
        assert changed.user.external_identity == external
        signed_in = await sign_in(identity, issuer.token())
        caller = await who_am_i(identity, signed_in.access_token)
        assert (caller.subject, list(caller.roles)) == ("bob", ["viewer"])
        # Taken away again, it ends what it began.
        none = user_pb2.ExternalIdentity()
        await identity.users.UpdateUser(update(id="bob", external_identity=none))
        await ended(identity, signed_in.access_token)
        failure = await failure_of(refresh(identity, signed_in.refresh_token))
        assert failure.reason == "REFRESH_TOKEN_INVALID"
        assert (await failure_of(sign_in(identity, issuer.token()))).reason == REFUSED[1]


async def test_an_external_identity_is_one_users(identity: Any, failure_of: Any) -> None:
    """Neither made, changed nor provisioned users get another's; a removed user's is free."""
    external = user_pb2.ExternalIdentity(issuer="https://x.example", subject="1")
    create, update = user_service_pb2.CreateUserRequest, user_service_pb2.UpdateUserRequest
    await identity.users.CreateUser(create(id="ann", external_identity=external))
    await identity.users.CreateUser(create(id="bob"))
    for call in (
        identity.users.CreateUser(create(id="eve", external_identity=external)),
        identity.users.UpdateUser(update(id="bob", external_identity=external)),
    ):
        failure = await failure_of(call)
        assert (failure.code, failure.reason) == (
            grpc.StatusCode.ALREADY_EXISTS,
            "EXTERNAL_IDENTITY_TAKEN",
        )
    listed = [
        user_service_pb2.ProvisionedUser(id="ann", external_identity=external),
        user_service_pb2.ProvisionedUser(id="bob", external_identity=external),
    ]
    request = user_service_pb2.ProvisionUsersRequest(users=listed)
    outcomes = (await identity.users.ProvisionUsers(request)).outcomes
    results = user_service_pb2.ProvisionResult
    assert [outcome.result for outcome in outcomes] == [
        results.PROVISION_RESULT_UNCHANGED,
        results.PROVISION_RESULT_FAILED,
    ]
    await identity.users.DeleteUser(user_service_pb2.DeleteUserRequest(id="ann"))
    outcomes = (await identity.users.ProvisionUsers(request)).outcomes
    assert [outcome.result for outcome in outcomes] == [
        results.PROVISION_RESULT_FAILED,
        results.PROVISION_RESULT_UPDATED,
    ]
    assert "was removed" in outcomes[0].message


async def test_half_an_external_identity_is_refused(identity: Any, failure_of: Any) -> None:
    """The missing part is named."""
    half = user_pb2.ExternalIdentity(issuer="https://x.example")
    request = user_service_pb2.CreateUserRequest(id="ann", external_identity=half)
    failure = await failure_of(identity.users.CreateUser(request))

    assert failure.code == grpc.StatusCode.INVALID_ARGUMENT
    assert failure.fields == {"external_identity.subject": "is required"}


@pytest.mark.parametrize(("verified", "good"), [(True, True), (False, False), (None, False)])
async def test_an_address_names_a_user_only_when_it_is_verified(
    make_settings: Any,
    run_identity: Any,
    issuers_file: Any,
    issuer: Any,
    failure_of: Any,
    verified: Any,
    good: bool,
) -> None:
    """Anyone can claim an address at some issuers."""
    more = 'provision = true\nuser_claim = "email"\ndefault_roles = ["viewer"]\n'
    settings = make_settings(issuers_file=issuers_file((issuer.url, more)))
    token = issuer.token(email="ann@example.com", email_verified=verified)
    async with run_identity(settings) as identity:
        if good:
            assert (await sign_in(identity, token)).session.user == "ann@example.com"
        else:
            assert (await failure_of(sign_in(identity, token))).reason == "ID_TOKEN_INVALID"


@pytest.mark.parametrize("name", [None, "", "a b", "../x", "x" * 121, 7])
async def test_a_name_that_cannot_be_is_refused(
    ours: Any, issuer: Any, failure_of: Any, name: Any
) -> None:
    """It is a user's own id that is written by others, so it keeps to the form of ids."""
    token = issuer.token(groups="engineers", preferred_username=name)
    failure = await failure_of(sign_in(ours, token))

    assert (failure.code, failure.reason) == REFUSED
    assert "preferred_username" in failure.message


async def test_claims_deep_in_a_token_give_roles(
    make_settings: Any, run_identity: Any, issuers_file: Any, issuer: Any, failure_of: Any
) -> None:
    """Where a list of names leads; a role that is not defined gives nothing."""
    more = (
        'provision = true\nuser_prefix = "x-"\nrole_claim = ["realm_access", "roles"]\n'
        'roles = { dev = ["developer", "nosuch"], odd = ["nosuch"] }\n'
    )
    settings = make_settings(issuers_file=issuers_file((issuer.url, more)))
    async with run_identity(settings) as identity:
        await sign_in(identity, issuer.token(realm_access={"roles": ["dev", 7]}))
        assert list((await user_of(identity, "x-ann")).roles) == ["developer"]
        for claim in ({"roles": ["odd"]}, {"roles": {}}, "text", None):
            failure = await failure_of(sign_in(identity, issuer.token(realm_access=claim)))
            assert failure.reason == "EXTERNAL_ACCOUNT_REFUSED"


async def test_a_session_ends_at_last_however_often_it_is_refreshed(
    make_settings: Any, run_identity: Any, issuers_file: Any, issuer: Any, store: Any
) -> None:
    """So that the issuer is asked again who still belongs; tokens do not outlive it."""
    more = PROVISION + "session_seconds = 300\n"
    settings = make_settings(issuers_file=issuers_file((issuer.url, more)))
    async with run_identity(settings) as identity:
        signed_in = await sign_in(identity, issuer.token(groups="engineers"))
        again = await refresh(identity, signed_in.refresh_token)
        claims = jwt.decode(again.access_token, options={"verify_signature": False})

        end = signed_in.session.expire_time.seconds
        assert 290 < end - time.time() <= 300
        assert claims["exp"] == end
        assert again.expires_in.seconds <= 300
        assert await store.ttl(f"identity:session:{signed_in.session.id}") <= 300
