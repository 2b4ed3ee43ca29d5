"""The gateway's settings."""

import pytest
from pydantic import ValidationError

from toolmesh_gateway.settings import GatewaySettings


def test_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings are TOOLMESH_*, lists comma-separated."""
    monkeypatch.setenv("TOOLMESH_GATEWAY_PORT", "9000")
    monkeypatch.setenv("TOOLMESH_GATEWAY_CORS_ORIGINS", "https://a.example, https://b.example")
    monkeypatch.setenv("TOOLMESH_GATEWAY_MCP", "false")
    settings = GatewaySettings()
    assert settings.gateway_port == 9000
    assert settings.gateway_cors_origins == ("https://a.example", "https://b.example")
    assert not settings.gateway_mcp


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "0"), ("TRUSTED_HOPS", "-1"), ("MAX_BODY_BYTES", "many")],
)
def test_nonsense_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that cannot be is refused at the start."""
    monkeypatch.setenv(f"TOOLMESH_GATEWAY_{name}", value)
    with pytest.raises(ValidationError):
        GatewaySettings()
