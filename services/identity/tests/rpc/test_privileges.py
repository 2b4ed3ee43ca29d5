"""What nobody gets by asking in an unusual way: others' keys, and fields of the service's own."""

from typing import Any

import grpc
from google.protobuf.descriptor import Descriptor

from toolmesh.identity.v1 import (
    api_key_pb2,
    api_key_service_pb2,
    role_service_pb2,
    user_pb2,
    user_service_pb2,
    user_service_pb2_grpc,
)
from toolmesh_contracts.contract import Contract
from toolmesh_serving.page_tokens import write_page_token

# What the service alone says of a user or key.
_OWN_FIELDS = {
    "uid",
    "owner",
    "hash",
    "create_time",
    "update_time",
    "suspend_time",
    "revoke_time",
    "last_use_time",
    "has_password",
}


async def bearer_of(identity: Any, subject: str, *roles: str) -> Any:
    """The metadata of calls by a subject, who gets a key for it."""
    request = api_key_service_pb2.CreateApiKeyRequest(
        display_name="test", subject=subject, roles=roles
    )
    made = await identity.keys.CreateApiKey(request)
    return (("authorization", f"Bearer {(await identity.exchange(made.key)).access_token}"),)


async def test_strangers_see_nobodys_keys(identity: Any, failure_of: Any) -> None:
    """Neither without a token, nor by the page token of one who may, nor by a forged one."""
    mine: Any = None
    for name in ("ann", "bob", "cid"):
        await identity.make_user(name, "developer")
        mine = await bearer_of(identity, name, "developer")
    listing = api_key_service_pb2.ListApiKeysRequest
    page = await identity.keys.ListApiKeys(listing(page_size=1))
    failure = await failure_of(identity.public_keys.ListApiKeys(listing()))
    assert failure.code == grpc.StatusCode.UNAUTHENTICATED
    others = identity.public_keys.ListApiKeys(
        listing(page_token=page.next_page_token), metadata=mine
    )
    assert (await failure_of(others)).reason == "PAGE_TOKEN_INVALID"
    seen: list[str] = []
    forged = write_page_token(b"9" * 20 + b":", of=b"identity:api_keys_of:cid")
    for request in (listing(page_token=forged), listing(page_size=1000)):
        listed = await identity.public_keys.ListApiKeys(request, metadata=mine)
        seen += [key.subject for key in listed.api_keys]
    assert set(seen) == {"cid"}


async def test_a_lesser_administrator_cannot_become_another_by_an_issuer(
    identity: Any, failure_of: Any
) -> None:
    """Who gives its own account elsewhere to an administrator could sign in as that one."""
    await identity.roles.CreateRole(
        role_service_pb2.CreateRoleRequest(name="helpdesk", scopes=["identity:admin"])
    )
    await identity.make_user("eve", "helpdesk")
    eve = await bearer_of(identity, "eve", "helpdesk")
    account = user_pb2.ExternalIdentity(issuer="https://x.example", subject="eve")
    users = user_service_pb2_grpc.UserServiceStub(identity.public)
    for call in (
        users.UpdateUser(
            user_service_pb2.UpdateUserRequest(id="admin", external_identity=account), metadata=eve
        ),
        users.CreateUser(
            user_service_pb2.CreateUserRequest(
                id="eve2", roles=["admin"], external_identity=account
            ),
            metadata=eve,
        ),
    ):
        assert (await failure_of(call)).reason == "GRANT_TOO_WIDE"


def _fields(message: Descriptor) -> set[str]:
    found = {field.name for field in message.fields}
    for field in message.fields:
        if field.message_type and field.message_type.file.package.startswith("toolmesh."):
            found |= _fields(field.message_type)
    return found


def test_no_request_has_a_field_for_what_the_service_alone_says() -> None:
    """Made from the contract: what a request cannot say, nobody can set by saying it."""
    for method in Contract.load().methods:
        if method.path.startswith("/toolmesh.identity."):
            assert not _fields(method.input) & _OWN_FIELDS, method.path


async def test_what_the_request_does_not_know_is_left_out(identity: Any) -> None:
    """A record sent in place of a request sets no more than the request could."""
    told = user_pb2.User(has_password=True)
    told.suspend_time.seconds = 1
    request = user_service_pb2.CreateUserRequest(id="ann", roles=["viewer"])
    request.MergeFromString(told.SerializeToString())
    user = (await identity.users.CreateUser(request)).user
    assert (user.has_password, user.HasField("suspend_time")) == (False, False)

    used = api_key_pb2.ApiKey()
    used.last_use_time.seconds = used.revoke_time.seconds = 1
    asked = api_key_service_pb2.CreateApiKeyRequest(
        display_name="x", subject="ann", roles=["viewer"]
    )
    asked.MergeFromString(used.SerializeToString())
    key = (await identity.keys.CreateApiKey(asked)).api_key
    assert not key.HasField("revoke_time")
    assert not key.HasField("last_use_time")
