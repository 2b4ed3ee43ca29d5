"""The settings that every service has."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServingSettings(BaseSettings):
    """Read from `TOOLMESH_*` in the environment; services add their own by inheriting."""

    model_config = SettingsConfigDict(
        env_prefix="TOOLMESH_",
        frozen=True,
        extra="ignore",
        # What is said of a wrong one may quote all of them, and there are passwords among them.
        hide_input_in_errors=True,
    )

    listen: str = Field("[::]:50051", description="Where to listen: host:port or unix:path.")
    address_pattern: str = Field(
        "dns:///{service}:50051", description="Where other services are, by name."
    )
    issuer: str = Field("https://toolmesh.dev", description="The `iss` of access tokens.")
    audience: str = Field("toolmesh", description="The `aud` of access tokens.")
    log_level: str = Field("info", description="debug, info, warning or error.")
    otlp_endpoint: str = Field("", description="Where traces and metrics go; empty: nowhere.")
    max_message_bytes: int = Field(16 * 1024 * 1024, description="The largest message taken.")
    drain_seconds: float = Field(
        0.5, description="How long to go on serving after SIGTERM, for the endpoints to notice."
    )
    grace_seconds: float = Field(30.0, description="How long running calls may take to finish.")
    tls_certificate: Path | None = Field(None, description="PEM file; unset: no TLS.")
    tls_key: Path | None = Field(None, description="PEM file with the certificate's key.")
    tls_client_ca: Path | None = Field(
        None, description="PEM file; set: clients need certificates."
    )

    @model_validator(mode="after")
    def _whole_tls(self) -> Self:
        # Half of it must not mean none of it.
        given = (self.tls_certificate is not None, self.tls_key is not None)
        if any(given) != all(given) or (self.tls_client_ca is not None and not all(given)):
            raise ValueError(
                "TOOLMESH_TLS_CERTIFICATE and TOOLMESH_TLS_KEY go together, and "
                "TOOLMESH_TLS_CLIENT_CA needs both"
            )
        return self
