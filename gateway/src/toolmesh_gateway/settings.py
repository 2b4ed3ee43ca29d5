"""The gateway's settings, the only reader of its environment."""

from typing import Annotated

from pydantic import Field
from pydantic.functional_validators import BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIB = 1024 * 1024


def _split(value: object) -> object:
    """Lets a list be written as `a,b` in the environment."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class GatewaySettings(BaseSettings):
    """What the gateway listens on, whom it trusts and what it takes. Read from `TOOLMESH_*`."""

    model_config = SettingsConfigDict(env_prefix="TOOLMESH_", frozen=True, extra="ignore")

    address_pattern: str = "dns:///{service}:50051"
    """Where a service answers: `unix:<path>` or `dns:///<host>:<port>`, with `{service}` in it."""

    gateway_address: str = "127.0.0.1"
    """The IP address to listen on."""
    gateway_port: int = Field(default=8080, ge=1, le=65535)
    """The TCP port to listen on."""
    gateway_admin: str = "unix:gateway-admin.sock"
    """Where Envoy's admin interface answers: `unix:<path>` or `<loopback address>:<port>`."""

    issuer: str = "https://toolmesh.dev"
    """The `iss` that a token must have."""
    audience: str = "toolmesh"
    """The `aud` that a token must have."""
    gateway_jwks_refresh_seconds: float = Field(default=60, gt=0)
    """How often the signing keys are fetched anew. A new key must be published that long before
    the first token is signed with it."""

    gateway_rate_limits: bool = True
    """Whether calls are counted. How many a user or key may make stands in its token."""
    gateway_rate_limit_callers: int = Field(default=10_000, ge=1)
    """How many users have a bucket at a time, how many keys and how many addresses; past that the
    longest unseen one is dropped, and has a full one when it comes back."""
    gateway_address_calls_per_minute: int = Field(default=1_200, ge=1)
    """How many calls of public methods an address may make, sign-ins among them. A network of 64
    bits is one address of IPv6."""
    gateway_address_key_calls_per_minute: int = Field(default=12_000, ge=1)
    """How many calls with API keys an address may make, good keys or bad ones."""

    gateway_cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = ()
    """Web origins whose pages may call the gateway, comma-separated. Empty: none."""
    gateway_trusted_hops: int = Field(default=0, ge=0)
    """How many proxies before the gateway may be believed about the client's address."""

    gateway_max_body_bytes: int = Field(default=4 * MIB, ge=1024)
    """The largest request of a call that does not stream."""
    gateway_max_answer_bytes: int = Field(default=16 * MIB, ge=1024)
    """The largest answer of an HTTP/JSON or MCP call that does not stream."""
    gateway_max_header_kib: int = Field(default=12, ge=8, le=15)
    """The largest request headers, in KiB. gRPC servers take 16 at most."""
    gateway_max_connections: int = Field(default=10_000, ge=1)
    """Client connections at a time, over all workers."""
    gateway_max_heap_mib: int = Field(default=1024, ge=64)
    """Past this much memory the gateway refuses calls instead of being killed."""
    gateway_max_calls_per_service: int = Field(default=4096, ge=1)
    """Calls that may be under way at a time to one service."""
    gateway_idle_seconds: float = Field(default=60, gt=0)
    """How long a call may be silent before it is routed. A method's timeout holds after that."""

    gateway_access_log: str = "/dev/stdout"
    """The file for the access log, JSON lines. Empty: none."""
    gateway_audit: bool = True
    """Whether every call is told to the audit service. Calls never wait for that."""
    gateway_mcp: bool = True
    """Whether `/mcp` answers."""
    otlp_endpoint: str = ""
    """`host:port` of an OTLP gRPC collector for traces. Empty: no tracing."""
    gateway_trace_percent: float = Field(default=100, ge=0, le=100)
    """Share of the traces to sample that no caller has decided on."""
