"""API keys over gRPC: made, listed, revoked, refused."""

import re
import time
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from toolmesh.identity.v1 import api_key_service_pb2, role_service_pb2, token_service_pb2

REFUSAL = "the API key is not valid; ask an administrator for a new one"


async def test_a_key_is_made_and_shown_once(identity: Any) -> None:
    """The answer has the whole key; what is kept and listed has no part of its secret."""
    before = time.time()
    made = await identity.make_key("developer", scopes=["workspace:read", "workspace:read"])
    listed = await identity.keys.ListApiKeys(api_key_service_pb2.ListApiKeysRequest())

    assert re.fullmatch(rf"tmk_{made.api_key.id}_[A-Za-z0-9_-]{{43}}", made.key)
    assert made.api_key.subject == "ann"
    assert made.api_key.display_name == "test"
    assert list(made.api_key.roles) == ["developer"]
    assert list(made.api_key.scopes) == ["workspace:read"]
    assert before - 1 <= made.api_key.create_time.seconds <= time.time()
    for unset in ("expire_time", "revoke_time", "last_use_time"):
        assert not made.api_key.HasField(unset)
    assert listed.api_keys[0] == made.api_key
    assert made.key.split("_", 2)[2] not in str(listed)


async def test_a_key_acts_as_its_maker_unless_told_otherwise(identity: Any) -> None:
    """An empty subject is the caller's own."""
    request = api_key_service_pb2.CreateApiKeyRequest(display_name="mine", roles=["viewer"])
    made = await identity.keys.CreateApiKey(request)

    assert made.api_key.subject == "admin"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"roles": ["viewer", "emperor"]},
            ("ROLE_UNKNOWN", "roles[1]", "use one of admin, auditor, developer, viewer"),
        ),
        (
            {"roles": ["viewer"], "scopes": ["workspace:read", "workspace:write"]},
            ("SCOPE_TOO_WIDE", "scopes[1]", "is not in the roles"),
        ),
        (
            {"roles": ["viewer"], "scopes": ["no:such"]},
            ("SCOPE_TOO_WIDE", "scopes[0]", "is not in the roles"),
        ),
        (
            {"roles": ["viewer"], "expire_time": Timestamp(seconds=1_000_000_000)},
            ("TIME_INVALID", "expire_time", "must lie in the future"),
        ),
        (
            {"roles": ["viewer"], "expire_time": Timestamp()},
            ("TIME_INVALID", "expire_time", "must lie in the future"),
        ),
        (
            {"roles": ["viewer"], "expire_time": Timestamp(seconds=10**15)},
            ("TIME_INVALID", "expire_time", "Timestamp is not valid"),
        ),
        (
            {"roles": ["viewer"], "expire_time": Timestamp(seconds=4_000_000_000, nanos=-5)},
            ("TIME_INVALID", "expire_time", "Timestamp is not valid"),
        ),
        ({"roles": []}, ("FIELD_INVALID", "roles", "needs at least 1 item")),
        ({"roles": ["viewer"], "subject": "a b"}, ("FIELD_INVALID", "subject", "must match")),
        (
            {"roles": ["viewer"], "display_name": "x" * 121},
            ("FIELD_INVALID", "display_name", "at most 120"),
        ),
    ],
)
async def test_a_key_that_cannot_be_is_refused(
    identity: Any, failure_of: Any, fields: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    """The answer names the field, and nothing is kept."""
    given: dict[str, Any] = {"display_name": "test"} | fields
    failure = await failure_of(
        identity.keys.CreateApiKey(api_key_service_pb2.CreateApiKeyRequest(**given))
    )
    listed = await identity.keys.ListApiKeys(api_key_service_pb2.ListApiKeysRequest())
    reason, field, words = expected

    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert words in failure.fields[field]
    assert [key.subject for key in listed.api_keys] == ["admin"]


async def test_the_end_of_time_can_be_an_end(identity: Any) -> None:
    """The last second that a timestamp has is kept, and can be listed."""
    last = Timestamp(seconds=253402300799, nanos=999999999)
    made = await identity.make_key("viewer", expire_time=last)
    listed = await identity.keys.ListApiKeys(api_key_service_pb2.ListApiKeysRequest())

    assert made.api_key.expire_time.seconds == last.seconds
    assert listed.api_keys[0].expire_time.seconds == last.seconds


async def test_keys_are_listed_page_by_page_newest_first(identity: Any) -> None:
    """Pages have the size asked for, no key is missing or twice, and the last page says so."""
    made = [(await identity.make_key("viewer")).api_key.id for _ in range(5)]
    pages, token = [], ""
    while not pages or token:
        request = api_key_service_pb2.ListApiKeysRequest(page_size=2, page_token=token)
        answer = await identity.keys.ListApiKeys(request)
        pages.append([key.id for key in answer.api_keys])
        token = answer.next_page_token
        if len(pages) == 1:  # a key that is made meanwhile moves nothing
            await identity.make_key("viewer")

    assert [len(page) for page in pages] == [2, 2, 2]
    listed = [key for page in pages for key in page]
    assert listed[:5] == made[::-1]
    assert listed[5] == identity.admin_key.split("_")[1]


@pytest.mark.parametrize(
    "token", ["garbage", "!!!", "AAAA", "MDAwMDA6YWFhYQ==", "\u00e9", "x" * 256]
)
async def test_a_page_token_of_nobody_is_refused(
    identity: Any, failure_of: Any, token: str
) -> None:
    """It is a mistake in the request, named as such."""
    request = api_key_service_pb2.ListApiKeysRequest(page_token=token)
    failure = await failure_of(identity.keys.ListApiKeys(request))

    assert failure.code == grpc.StatusCode.INVALID_ARGUMENT
    assert failure.reason == "PAGE_TOKEN_INVALID"
    assert list(failure.fields) == ["page_token"]


async def test_a_page_token_opens_no_other_list(identity: Any, failure_of: Any) -> None:
    """With one of the administrator's list, a user sees nothing."""
    mine = (await identity.make_key("developer")).key
    for _ in range(3):
        await identity.keys.CreateApiKey(
            api_key_service_pb2.CreateApiKeyRequest(display_name="x", roles=["viewer"])
        )
    first = await identity.keys.ListApiKeys(api_key_service_pb2.ListApiKeysRequest(page_size=1))
    token = (await identity.exchange(mine)).access_token
    call = identity.public_keys.ListApiKeys(
        api_key_service_pb2.ListApiKeysRequest(page_token=first.next_page_token),
        metadata=(("authorization", f"Bearer {token}"),),
    )

    assert (await failure_of(call)).reason == "PAGE_TOKEN_INVALID"


@pytest.mark.parametrize("page_size", [-1, 1001])
async def test_a_page_size_out_of_bounds_is_refused(
    identity: Any, failure_of: Any, page_size: int
) -> None:
    """The field rules of the proto hold."""
    request = api_key_service_pb2.ListApiKeysRequest(page_size=page_size)
    failure = await failure_of(identity.keys.ListApiKeys(request))

    assert list(failure.fields) == ["page_size"]


async def test_a_revoked_key_is_refused_at_once(identity: Any, failure_of: Any) -> None:
    """Also at the gateway, which may have just seen it; revoking again changes nothing."""
    made = await identity.make_key("developer")
    await identity.exchange(made.key)
    assert (await identity.check(x_api_key=made.key)).HasField("ok_response")

    request = api_key_service_pb2.RevokeApiKeyRequest(id=made.api_key.id)
    revoked = (await identity.keys.RevokeApiKey(request)).api_key
    assert revoked.HasField("revoke_time")
    failure = await failure_of(identity.exchange(made.key))
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "API_KEY_INVALID")
    assert failure.message == REFUSAL
    assert (await identity.check(x_api_key=made.key)).denied_response.status.code == 401

    again = (await identity.keys.RevokeApiKey(request)).api_key
    assert again.revoke_time == revoked.revoke_time


@pytest.mark.parametrize("key_id", ["a" * 16, "no-such", "../x", "*"])
async def test_an_unknown_key_cannot_be_revoked(
    identity: Any, failure_of: Any, key_id: str
) -> None:
    """NOT_FOUND names the id."""
    request = api_key_service_pb2.RevokeApiKeyRequest(id=key_id)
    failure = await failure_of(identity.keys.RevokeApiKey(request))

    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "API_KEY_UNKNOWN")
    assert failure.metadata == {"id": key_id}


async def test_neither_strangers_nor_viewers_manage_keys(identity: Any, failure_of: Any) -> None:
    """To make and revoke keys, one needs a scope that viewers do not have."""
    viewer = await identity.exchange((await identity.make_key("viewer")).key)
    metadata = (("authorization", f"Bearer {viewer.access_token}"),)
    stub = identity.public_keys
    calls = [
        (stub.CreateApiKey, api_key_service_pb2.CreateApiKeyRequest()),
        (stub.RotateApiKey, api_key_service_pb2.RotateApiKeyRequest()),
        (stub.RevokeApiKey, api_key_service_pb2.RevokeApiKeyRequest()),
    ]
    for call, request in calls:
        failure = await failure_of(call(request))
        assert failure.reason == "TOKEN_INVALID"
        failure = await failure_of(call(request, metadata=metadata))
        assert (failure.reason, failure.metadata) == ("SCOPE_MISSING", {"scope": "identity:write"})


async def test_the_roles_are_listed_with_their_scopes(identity: Any) -> None:
    """Each role has the scopes that its verbs reach, and no more."""
    answer = await identity.roles.ListRoles(role_service_pb2.ListRolesRequest())
    roles = {role.name: role for role in answer.roles}

    assert list(roles) == ["admin", "auditor", "developer", "viewer"]
    assert all(role.description for role in answer.roles)
    assert "identity:admin" in roles["admin"].scopes
    assert set(roles["developer"].scopes) < set(roles["admin"].scopes)
    assert set(roles["viewer"].scopes) < set(roles["developer"].scopes)
    assert "workspace:write" in roles["developer"].scopes
    assert all(scope.endswith(":read") for scope in roles["viewer"].scopes)
    assert list(roles["admin"].scopes) == sorted(roles["admin"].scopes)


async def test_the_last_use_is_noted(identity: Any) -> None:
    """Exchanging a key is a use of it, noted to the minute."""
    made = await identity.make_key("viewer")
    before = int(time.time())
    await identity.exchange(made.key)
    await identity.check(x_api_key=made.key)
    listed = await identity.keys.ListApiKeys(api_key_service_pb2.ListApiKeysRequest())

    used = listed.api_keys[0].last_use_time.seconds
    assert before - 1 <= used <= time.time() + 1


async def test_the_caller_is_told_who_it_is(identity: Any) -> None:
    """Subject, roles, scopes and the token's end."""
    answer = await identity.whoami.WhoAmI(token_service_pb2.WhoAmIRequest())

    assert (answer.subject, list(answer.roles)) == ("admin", ["admin"])
    assert "identity:admin" in answer.scopes
    assert list(answer.scopes) == sorted(answer.scopes)
    assert time.time() + 800 < answer.expire_time.seconds <= time.time() + 901
