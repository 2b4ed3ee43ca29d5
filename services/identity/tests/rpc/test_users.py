"""Users over gRPC: made, listed, changed, suspended, removed, and what nobody may do with them."""

import time
from typing import Any

import grpc
import jwt
import pytest

from toolmesh.identity.v1 import (
    api_key_service_pb2,
    role_service_pb2,
    role_service_pb2_grpc,
    session_service_pb2,
    token_service_pb2,
    user_service_pb2,
    user_service_pb2_grpc,
)

PASSWORD = "correct horse battery"


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata of a call with a token."""
    return (("authorization", f"Bearer {token}"),)


async def key_of(identity: Any, subject: str, *roles: str, **fields: Any) -> Any:
    """Makes an API key of a user, as the administrator."""
    request = api_key_service_pb2.CreateApiKeyRequest(
        display_name="test", subject=subject, roles=roles, **fields
    )
    return await identity.keys.CreateApiKey(request)


async def token_of(identity: Any, key: str) -> tuple[tuple[str, str], ...]:
    """The metadata of a call with a token of a key."""
    return bearer((await identity.exchange(key)).access_token)


async def ended(identity: Any, metadata: Any) -> None:
    """Waits until a token is refused; fails after ten seconds."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            await identity.tokens.WhoAmI(token_service_pb2.WhoAmIRequest(), metadata=metadata)
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.UNAUTHENTICATED:
                return
            raise
    raise AssertionError("the token is still good")


async def test_a_user_is_made_read_changed_and_removed(identity: Any, failure_of: Any) -> None:
    """What was given is kept, its scopes follow its roles, and it is gone when removed."""
    made = (await identity.make_user("ann", "viewer")).user
    assert (made.id, list(made.roles), made.has_password) == ("ann", ["viewer"], False)
    assert all(scope.endswith(":read") for scope in made.scopes)
    assert (await identity.users.GetUser(user_service_pb2.GetUserRequest(id="ann"))).user == made
    request = user_service_pb2.UpdateUserRequest(
        id="ann", display_name="Ann", roles=user_service_pb2.RoleNames(names=["developer"])
    )
    changed = (await identity.users.UpdateUser(request)).user
    assert (changed.display_name, list(changed.roles)) == ("Ann", ["developer"])
    assert set(changed.scopes) > set(made.scopes)
    request = user_service_pb2.UpdateUserRequest(id="ann", display_name="A.")
    assert (await identity.users.UpdateUser(request)).user.roles == changed.roles

    await identity.users.DeleteUser(user_service_pb2.DeleteUserRequest(id="ann"))
    failure = await failure_of(identity.users.GetUser(user_service_pb2.GetUserRequest(id="ann")))
    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "USER_UNKNOWN")


async def test_a_user_is_made_once(identity: Any, failure_of: Any) -> None:
    """A second one of the same id is refused and changes nothing."""
    await identity.make_user("ann", "viewer")
    failure = await failure_of(identity.make_user("ann", "admin"))

    assert (failure.code, failure.reason) == (grpc.StatusCode.ALREADY_EXISTS, "USER_EXISTS")
    answer = await identity.users.GetUser(user_service_pb2.GetUserRequest(id="ann"))
    assert list(answer.user.roles) == ["viewer"]


async def test_users_are_listed_page_by_page(identity: Any, failure_of: Any) -> None:
    """By id, none missing or twice; a token of nobody is refused."""
    for number in range(5):
        await identity.make_user(f"user{number}")
    pages, token = [], ""
    while not pages or token:
        request = user_service_pb2.ListUsersRequest(page_size=2, page_token=token)
        answer = await identity.users.ListUsers(request)
        pages.append([user.id for user in answer.users])
        token = answer.next_page_token

    assert pages == [["admin", "user0"], ["user1", "user2"], ["user3", "user4"]]
    failure = await failure_of(
        identity.users.ListUsers(user_service_pb2.ListUsersRequest(page_token="###"))
    )
    assert failure.reason == "PAGE_TOKEN_INVALID"


async def test_users_are_provisioned_in_bulk(identity: Any) -> None:
    """Each as far as it can be; doing it again changes nothing."""
    rows = [(f"user{number}", ["viewer"]) for number in range(200)]
    rows += [("broken", ["emperor"]), ("admin", ["viewer"])]

    def request(roles: str) -> user_service_pb2.ProvisionUsersRequest:
        users = [
            user_service_pb2.ProvisionedUser(
                id=user_id, roles=[roles] if given == ["viewer"] else given
            )
            for user_id, given in rows
        ]
        return user_service_pb2.ProvisionUsersRequest(users=users)

    results = []
    for roles in ("viewer", "viewer", "developer"):
        answer = await identity.users.ProvisionUsers(request(roles))
        results.append({outcome.result for outcome in answer.outcomes[:200]})
        broken, last_admin = answer.outcomes[200:]
        assert "there is no role 'emperor'" in broken.message
        assert "last administrator" in last_admin.message
        assert broken.result == last_admin.result == user_service_pb2.PROVISION_RESULT_FAILED
    assert results == [
        {user_service_pb2.PROVISION_RESULT_CREATED},
        {user_service_pb2.PROVISION_RESULT_UNCHANGED},
        {user_service_pb2.PROVISION_RESULT_UPDATED},
    ]


async def test_a_suspended_user_is_stopped_at_once_and_can_come_back(
    identity: Any, failure_of: Any
) -> None:
    """Keys, tokens and sessions are refused; reinstated, its keys work, its sessions do not."""
    await identity.make_user("ann", "developer", password=PASSWORD)
    key = (await key_of(identity, "ann", "developer")).key
    by_key = await token_of(identity, key)
    signed_in = await identity.sessions.SignIn(
        session_service_pb2.SignInRequest(user="ann", password=PASSWORD)
    )
    await identity.check(x_api_key=key)
    await identity.users.SuspendUser(user_service_pb2.SuspendUserRequest(id="ann"))

    await ended(identity, by_key)
    await ended(identity, bearer(signed_in.access_token))
    assert (await failure_of(identity.exchange(key))).reason == "API_KEY_INVALID"
    assert (await identity.check(x_api_key=key)).denied_response.status.code == 401
    refresh = session_service_pb2.RefreshSessionRequest(refresh_token=signed_in.refresh_token)
    failure = await failure_of(identity.sessions.RefreshSession(refresh))
    assert failure.reason == "REFRESH_TOKEN_INVALID"

    await identity.users.ReinstateUser(user_service_pb2.ReinstateUserRequest(id="ann"))
    metadata = await token_of(identity, key)
    await identity.tokens.WhoAmI(token_service_pb2.WhoAmIRequest(), metadata=metadata)
    assert (await identity.check(x_api_key=key)).HasField("ok_response")
    await ended(identity, by_key)
    failure = await failure_of(identity.sessions.RefreshSession(refresh))
    assert failure.reason == "REFRESH_TOKEN_INVALID"


async def test_a_removed_users_name_is_not_given_again(identity: Any, failure_of: Any) -> None:
    """To no user and to no program: workspaces, keys and audit events go by it."""
    await identity.make_user("ann", "developer")
    key = (await key_of(identity, "ann", "developer")).key
    metadata = await token_of(identity, key)
    await identity.users.DeleteUser(user_service_pb2.DeleteUserRequest(id="ann"))

    await ended(identity, metadata)
    assert (await failure_of(identity.exchange(key))).reason == "API_KEY_INVALID"
    for attempt in (identity.make_user("ann", "viewer"), key_of(identity, "ann", "viewer")):
        failure = await failure_of(attempt)
        assert (failure.code, failure.reason) == (grpc.StatusCode.ALREADY_EXISTS, "USER_ID_USED")
        assert "choose another id" in failure.message


async def test_the_last_administrator_stays(identity: Any, failure_of: Any) -> None:
    """It cannot be removed, suspended or stripped of its role; with a second one, it can."""
    users = identity.users
    no_roles = user_service_pb2.RoleNames()
    attempts = [
        lambda: users.DeleteUser(user_service_pb2.DeleteUserRequest(id="admin")),
        lambda: users.SuspendUser(user_service_pb2.SuspendUserRequest(id="admin")),
        lambda: users.UpdateUser(user_service_pb2.UpdateUserRequest(id="admin", roles=no_roles)),
    ]
    for attempt in attempts:
        failure = await failure_of(attempt())
        expected = (grpc.StatusCode.FAILED_PRECONDITION, "LAST_ADMIN")
        assert (failure.code, failure.reason) == expected
    await identity.make_user("bob", "admin")
    await users.SuspendUser(user_service_pb2.SuspendUserRequest(id="bob"))
    assert (await failure_of(attempts[0]())).reason == "LAST_ADMIN"
    await users.ReinstateUser(user_service_pb2.ReinstateUserRequest(id="bob"))
    await attempts[2]()


async def test_a_key_is_never_wider_than_its_owner(identity: Any, failure_of: Any) -> None:
    """Not when it is made, and not when its owner loses a role later: its tokens end."""
    await identity.make_user("ann", "developer")
    failure = await failure_of(key_of(identity, "ann", "admin"))
    assert (failure.code, failure.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "SCOPE_TOO_WIDE",
    )
    key = (await key_of(identity, "ann", "developer")).key
    metadata = await token_of(identity, key)
    viewer = user_service_pb2.RoleNames(names=["viewer"])
    await identity.users.UpdateUser(user_service_pb2.UpdateUserRequest(id="ann", roles=viewer))

    await ended(identity, metadata)
    exchanged = await identity.exchange(key)
    assert exchanged.scopes
    assert all(scope.endswith(":read") for scope in exchanged.scopes)


async def test_users_manage_their_own_keys_alone(identity: Any, failure_of: Any) -> None:
    """They cannot see or end those of others, nor make wider ones or ones for others."""
    await identity.make_user("ann", "developer")
    mine = await token_of(identity, (await key_of(identity, "ann", "developer")).key)
    other = await key_of(identity, "bob", "developer")
    stub = identity.public_keys
    create = api_key_service_pb2.CreateApiKeyRequest
    made = await stub.CreateApiKey(create(display_name="x", roles=["viewer"]), metadata=mine)
    assert made.api_key.subject == "ann"
    listed = await stub.ListApiKeys(api_key_service_pb2.ListApiKeysRequest(), metadata=mine)
    assert {key.subject for key in listed.api_keys} == {"ann"}
    assert len(listed.api_keys) == 2

    for request in (
        create(display_name="x", roles=["viewer"], subject="bob"),
        create(display_name="x", roles=["viewer"], subject="admin"),
    ):
        assert (await failure_of(stub.CreateApiKey(request, metadata=mine))).reason == "NOT_OWNER"
    for roles in (["admin"], ["viewer", "auditor"]):
        request = create(display_name="x", roles=roles)
        failure = await failure_of(stub.CreateApiKey(request, metadata=mine))
        assert failure.reason == "SCOPE_TOO_WIDE"
    failure = await failure_of(
        stub.ListApiKeys(api_key_service_pb2.ListApiKeysRequest(subject="bob"), metadata=mine)
    )
    assert failure.reason == "NOT_OWNER"
    for call, request in (
        (stub.RevokeApiKey, api_key_service_pb2.RevokeApiKeyRequest(id=other.api_key.id)),
        (stub.RotateApiKey, api_key_service_pb2.RotateApiKeyRequest(id=other.api_key.id)),
    ):
        failure = await failure_of(call(request, metadata=mine))
        assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "API_KEY_UNKNOWN")
    await stub.RevokeApiKey(
        api_key_service_pb2.RevokeApiKeyRequest(id=made.api_key.id), metadata=mine
    )


async def test_nobody_gives_what_it_does_not_hold(identity: Any, failure_of: Any) -> None:
    """A lesser administrator cannot raise itself: not by roles, users, keys or passwords."""
    await identity.roles.CreateRole(
        role_service_pb2.CreateRoleRequest(
            name="helpdesk", scopes=["identity:admin", "identity:read", "identity:write"]
        )
    )
    await identity.roles.CreateRole(
        role_service_pb2.CreateRoleRequest(
            name="builder", scopes=["identity:read", "workspace:write"]
        )
    )
    await identity.make_user("eve", "helpdesk")
    await identity.make_user("ann", "developer")
    # While it is suspended its keys give nothing; they will again.
    await identity.make_user("bob", "admin")
    bobs = await key_of(identity, "bob", "admin")
    await identity.users.SuspendUser(user_service_pb2.SuspendUserRequest(id="bob"))
    eve = await token_of(identity, (await key_of(identity, "eve", "helpdesk")).key)
    users = user_service_pb2_grpc.UserServiceStub(identity.public)
    roles = role_service_pb2_grpc.RoleServiceStub(identity.public)
    admin = user_service_pb2.RoleNames(names=["admin", "helpdesk"])
    scopes = ["identity:admin", "workspace:write"]
    attempts = [
        users.UpdateUser(user_service_pb2.UpdateUserRequest(id="eve", roles=admin), metadata=eve),
        users.CreateUser(
            user_service_pb2.CreateUserRequest(id="mallory", roles=["admin"]), metadata=eve
        ),
        users.SetPassword(
            user_service_pb2.SetPasswordRequest(id="admin", password=PASSWORD), metadata=eve
        ),
        users.SuspendUser(user_service_pb2.SuspendUserRequest(id="ann"), metadata=eve),
        users.DeleteUser(user_service_pb2.DeleteUserRequest(id="ann"), metadata=eve),
        roles.UpdateRole(
            role_service_pb2.UpdateRoleRequest(name="helpdesk", scopes=scopes), metadata=eve
        ),
        roles.CreateRole(
            role_service_pb2.CreateRoleRequest(name="wide", scopes=scopes), metadata=eve
        ),
        identity.public_keys.CreateApiKey(
            api_key_service_pb2.CreateApiKeyRequest(
                display_name="x", subject="admin", roles=["admin"]
            ),
            metadata=eve,
        ),
        identity.public_keys.RotateApiKey(
            api_key_service_pb2.RotateApiKeyRequest(id=identity.admin_key.split("_")[1]),
            metadata=eve,
        ),
        identity.public_keys.RotateApiKey(
            api_key_service_pb2.RotateApiKeyRequest(id=bobs.api_key.id), metadata=eve
        ),
        users.ReinstateUser(user_service_pb2.ReinstateUserRequest(id="bob"), metadata=eve),
        roles.UpdateRole(
            role_service_pb2.UpdateRoleRequest(name="builder", scopes=["identity:read"]),
            metadata=eve,
        ),
        roles.DeleteRole(role_service_pb2.DeleteRoleRequest(name="builder"), metadata=eve),
    ]
    for attempt in attempts:
        failure = await failure_of(attempt)
        assert (failure.code, failure.reason) == (
            grpc.StatusCode.PERMISSION_DENIED,
            "GRANT_TOO_WIDE",
        )


async def test_users_cannot_change_users(identity: Any, failure_of: Any) -> None:
    """Without `identity:admin`, nothing of a user can be set, one's own roles included."""
    await identity.make_user("ann", "developer")
    mine = await token_of(identity, (await key_of(identity, "ann", "developer")).key)
    stub: Any = user_service_pb2_grpc.UserServiceStub(identity.public)
    admin = user_service_pb2.RoleNames(names=["admin"])
    for call, request in (
        (stub.UpdateUser, user_service_pb2.UpdateUserRequest(id="ann", roles=admin)),
        (stub.CreateUser, user_service_pb2.CreateUserRequest(id="bob", roles=["admin"])),
        (stub.GetUser, user_service_pb2.GetUserRequest(id="admin")),
        (stub.ListUsers, user_service_pb2.ListUsersRequest()),
    ):
        failure = await failure_of(call(request, metadata=mine))
        assert failure.metadata == {"scope": "identity:admin"}


async def test_a_defined_role_is_used_narrowed_and_removed(identity: Any, failure_of: Any) -> None:
    """A token with a scope that its role lost ends; without the role, nothing is left."""
    scopes = ["workspace:read", "workspace:write"]
    create = role_service_pb2.CreateRoleRequest(name="pusher", scopes=scopes)
    await identity.roles.CreateRole(create)
    assert (await failure_of(identity.roles.CreateRole(create))).reason == "ROLE_EXISTS"
    made = await key_of(identity, "robot", "pusher")
    assert list(made.api_key.scopes) == scopes
    metadata = await token_of(identity, made.key)
    other = await token_of(identity, (await key_of(identity, "other", "viewer")).key)
    update = role_service_pb2.UpdateRoleRequest(name="pusher", scopes=scopes[:1])
    await identity.roles.UpdateRole(update)

    await ended(identity, metadata)
    await identity.tokens.WhoAmI(token_service_pb2.WhoAmIRequest(), metadata=other)
    assert list((await identity.exchange(made.key)).scopes) == scopes[:1]
    await identity.roles.DeleteRole(role_service_pb2.DeleteRoleRequest(name="pusher"))
    assert list((await identity.exchange(made.key)).scopes) == []


@pytest.mark.parametrize(
    ("name", "scopes", "reason"),
    [
        ("viewer", ["workspace:read"], "ROLE_EXISTS"),
        ("new", ["no:such"], "SCOPE_UNKNOWN"),
        ("new", [], "FIELD_INVALID"),
        ("Bad Name", ["workspace:read"], "FIELD_INVALID"),
    ],
)
async def test_a_role_that_cannot_be_is_refused(
    identity: Any, failure_of: Any, name: str, scopes: list[str], reason: str
) -> None:
    """The reason says why; the built-in ones cannot be changed either."""
    request = role_service_pb2.CreateRoleRequest(name=name, scopes=scopes)
    assert (await failure_of(identity.roles.CreateRole(request))).reason == reason
    update = role_service_pb2.UpdateRoleRequest(name="viewer", scopes=["workspace:write"])
    assert (await failure_of(identity.roles.UpdateRole(update))).reason == "ROLE_BUILT_IN"
    delete = role_service_pb2.DeleteRoleRequest(name="admin")
    assert (await failure_of(identity.roles.DeleteRole(delete))).reason == "ROLE_BUILT_IN"


async def test_a_rotated_key_overlaps_with_its_old_secret(
    identity: Any, failure_of: Any, store: Any
) -> None:
    """Both are taken for as long as was asked; without an overlap the old one's tokens end, too."""
    made = await key_of(identity, "robot", "viewer", calls_per_minute=60)
    assert made.api_key.calls_per_minute == 60
    rotate = api_key_service_pb2.RotateApiKeyRequest
    second = await identity.keys.RotateApiKey(rotate(id=made.api_key.id, overlap_seconds=600))
    assert second.key != made.key
    assert second.api_key.HasField("old_secret_expire_time")
    await identity.exchange(made.key)
    metadata = await token_of(identity, second.key)

    third = await identity.keys.RotateApiKey(rotate(id=made.api_key.id))
    await ended(identity, metadata)
    for old in (made.key, second.key):
        assert (await failure_of(identity.exchange(old))).reason == "API_KEY_INVALID"
    await identity.exchange(third.key)
    await identity.keys.RevokeApiKey(api_key_service_pb2.RevokeApiKeyRequest(id=made.api_key.id))
    failure = await failure_of(identity.keys.RotateApiKey(rotate(id=made.api_key.id)))
    assert failure.code == grpc.StatusCode.FAILED_PRECONDITION


async def test_every_change_leaves_an_event(identity: Any, store: Any) -> None:
    """In the stream for the audit log, with who did it and without secrets."""
    await identity.make_user("ann", "viewer", password=PASSWORD)
    made = await key_of(identity, "ann", "viewer")
    await identity.keys.RevokeApiKey(api_key_service_pb2.RevokeApiKeyRequest(id=made.api_key.id))
    await identity.users.DeleteUser(user_service_pb2.DeleteUserRequest(id="ann"))
    entries = await store.xrange("audit:outbox")
    events = [(fields[b"action"].decode(), fields[b"actor"].decode()) for _, fields in entries]

    assert events == [
        ("identity.user.create", "system"),
        ("identity.api_key.create", "system"),
        ("identity.user.create", "admin"),
        ("identity.api_key.create", "admin"),
        ("identity.api_key.revoke", "admin"),
        ("identity.user.delete", "admin"),
    ]
    for secret in (PASSWORD, made.key, "argon2"):
        assert secret not in str(entries)


async def test_a_token_names_its_user_by_a_random_id(identity: Any) -> None:
    """What revocations mean is not the name, which another user may bear one day."""
    await identity.make_user("ann", "viewer")
    token = (await identity.exchange((await key_of(identity, "ann", "viewer")).key)).access_token
    claims = jwt.decode(token, options={"verify_signature": False})

    assert claims["sub"] == "ann"
    assert len(claims["uid"]) == 16
