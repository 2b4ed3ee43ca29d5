"""How often a caller may call is in its token; Envoy goes by it."""

from typing import Any

import grpc
import jwt
import pytest

from toolmesh.identity.v1 import (
    api_key_service_pb2,
    role_service_pb2,
    session_service_pb2,
)
from toolmesh_contracts.call_rates import rate_claim

PASSWORD = "correct horse battery"


def rate_of(token: str) -> dict[str, int | str]:
    """The claim of a token that was checked elsewhere."""
    return jwt.decode(token, options={"verify_signature": False})["rate"]


async def exchanged(identity: Any, key: str) -> dict[str, int | str]:
    """The claim of a token had for an API key."""
    return rate_of((await identity.exchange(key)).access_token)


async def key_of(identity: Any, subject: str, role: str, calls_per_minute: int = 0) -> str:
    """A new API key of a subject."""
    request = api_key_service_pb2.CreateApiKeyRequest(
        display_name="test", subject=subject, roles=[role], calls_per_minute=calls_per_minute
    )
    return (await identity.keys.CreateApiKey(request)).key


async def define(identity: Any, name: str, calls_per_minute: int) -> Any:
    """Defines a role."""
    request = role_service_pb2.CreateRoleRequest(
        name=name, scopes=["workspace:read"], calls_per_minute=calls_per_minute
    )
    return (await identity.roles.CreateRole(request)).role


async def test_the_highest_rate_of_a_users_roles_counts(identity: Any) -> None:
    """Signed in or by key, and whichever of its roles the key has."""
    await define(identity, "slow", 7)
    await define(identity, "quick", 700)
    await identity.make_user("ann", "slow", "quick", password=PASSWORD)
    expected = rate_claim(700)

    request = session_service_pb2.SignInRequest(user="ann", password=PASSWORD)
    assert rate_of((await identity.sessions.SignIn(request)).access_token) == expected
    assert await exchanged(identity, await key_of(identity, "ann", "slow")) == expected


async def test_a_key_has_a_rate_besides_its_users(identity: Any) -> None:
    """Both are in the token, at the gateway too."""
    key = await key_of(identity, "robot", "viewer", calls_per_minute=11)
    key_id = key.split("_")[1]
    expected = rate_claim(6_000, key=f"key:{key_id}", of_key=11)
    assert await exchanged(identity, key) == expected
    checked = await identity.check(x_api_key=key)
    bearer = checked.ok_response.headers[0].header.value
    assert rate_of(bearer.removeprefix("Bearer ")) == expected


async def test_rates_by_default(identity: Any) -> None:
    """Built-in roles have those of the settings, defined ones the mesh's default."""
    await define(identity, "plain", 0)
    roles = (await identity.roles.ListRoles(role_service_pb2.ListRolesRequest())).roles
    assert {role.name: role.calls_per_minute for role in roles} == {
        "admin": 12_000,
        "auditor": 6_000,
        "developer": 12_000,
        "plain": 6_000,
        "viewer": 6_000,
    }


async def test_a_changed_rate_is_in_new_tokens(identity: Any) -> None:
    """At once, also where the gateway asks; and a change of something else leaves it alone."""
    await define(identity, "mine", 7)
    key = await key_of(identity, "robot", "mine")
    update = role_service_pb2.UpdateRoleRequest
    await identity.roles.UpdateRole(update(name="mine", description="still the same"))
    assert await exchanged(identity, key) == rate_claim(7)
    changed = await identity.roles.UpdateRole(update(name="mine", calls_per_minute=70))
    assert changed.role.calls_per_minute == 70
    assert await exchanged(identity, key) == rate_claim(70)
    changed = await identity.roles.UpdateRole(update(name="mine", calls_per_minute=0))
    assert changed.role.calls_per_minute == 6_000


@pytest.mark.parametrize("calls", [-1, 1_000_001])
async def test_a_rate_out_of_range(identity: Any, failure_of: Any, calls: int) -> None:
    """It is refused, with the field's name."""
    failure = await failure_of(define(identity, "new", calls))
    assert failure.code == grpc.StatusCode.INVALID_ARGUMENT
    assert list(failure.fields) == ["calls_per_minute"]
