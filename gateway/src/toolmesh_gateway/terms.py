"""The shapes of Envoy's configuration that several parts write."""

from typing import Any

from toolmesh_contracts.contract import Method

Config = dict[str, Any]

_TYPES = "type.googleapis.com/"

IDENTITY = "identity"
"""The service that issues tokens, publishes the keys and checks API keys."""
JWT_FILTER = "envoy.filters.http.jwt_authn"
JWT_CLAIMS = "claims"
"""The key under which the JWT filter keeps a verified token's claims."""
SUBJECT_HEADER = "x-sub"
MCP_PATH = "/mcp"
TOKEN_COOKIE = "toolmesh_token"  # noqa: S105 - a name
ACCESS_TOKEN_PARAMETER = "access_token"  # noqa: S105 - a name
NAMESPACE = "toolmesh"
"""Where the gateway keeps its own notes about a call, out of callers' reach."""


HEALTH_FILTERS = {
    f"envoy.filters.http.health_check{path}": path for path in ("/healthz", "/readyz")
}
"""The filters that answer health checks, and their paths."""
API_KEY_FILTERS = ("toolmesh.limit_key_checks", "envoy.filters.http.ext_authz")
BROWSER_TOKEN_FILTERS = ("toolmesh.browser_token",)
MCP_FILTERS = (
    "toolmesh.mcp_depth",
    "toolmesh.mcp_structured",
    "envoy.filters.http.set_metadata",
    "envoy.filters.http.mcp_json_rest_bridge",
)
"""The filters for `/mcp` alone."""
JSON_FILTERS = ("toolmesh.refusals", "toolmesh.strict_json")
"""The filters for all that is not gRPC."""


def typed(type_name: str, **fields: Any) -> Config:
    """An `Any` of the API type `type_name`."""
    return {"@type": _TYPES + type_name, **fields}


def extension(name: str, type_name: str, **fields: Any) -> Config:
    """A named extension with its typed configuration."""
    return {"name": name, "typed_config": typed(type_name, **fields)}


def seconds(value: float) -> str:
    """A duration as protobuf's JSON has it: `1.5s`."""
    return f"{value:.9f}".rstrip("0").rstrip(".") + "s"


def address(where: str) -> Config:
    """A socket address: `unix:<path>` or `<host>:<port>`."""
    if where.startswith("unix:"):
        return {"pipe": {"path": where.removeprefix("unix:")}}
    host, _, port = where.rpartition(":")
    return {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}


def service_names(methods: tuple[Method, ...]) -> list[str]:
    """The full names of the gRPC services that `methods` belong to, in the contract's order."""
    return list(dict.fromkeys(method.path.split("/")[1] for method in methods))
