"""The settings of the identity service."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from toolmesh_contracts.call_rates import DEFAULT_CALLS_PER_MINUTE, MAX_CALLS_PER_MINUTE
from toolmesh_serving.settings import ServingSettings

Rate = Annotated[int, Field(ge=1, le=MAX_CALLS_PER_MINUTE)]
"""Calls a minute."""


class Settings(ServingSettings):
    """Read from `TOOLMESH_*` in the environment."""

    issuers_file: Path | None = Field(
        None,
        description="A TOML file of the OpenID Connect issuers whose ID tokens users may sign in "
        "with; unset: none.",
    )
    redis_url: str = Field("redis://redis:6379/0", description="Where keys and roles are kept.")
    calls_per_minute: Rate = Field(
        DEFAULT_CALLS_PER_MINUTE,
        description="How many calls a user may make whose roles say nothing of it.",
    )
    role_calls_per_minute: dict[str, Rate] = Field(
        {"admin": 12_000, "developer": 12_000},
        description="The same for built-in roles, as a JSON object: role to number.",
    )
    secret_file: Path = Field(
        Path("secret.key"),
        description="The secret that API keys are hashed and signing keys encrypted with. "
        "Made when it is missing; losing it makes every key useless.",
    )
    admin_key_file: Path = Field(
        Path("admin.key"), description="Where the first start leaves the administrator's API key."
    )
    session_seconds: int = Field(
        7 * 86400, ge=300, le=90 * 86400, description="When a session ends that is not refreshed."
    )
    sign_in_delay_seconds: float = Field(
        0.25, ge=0, le=4, description="What the fourth attempt to sign in waits; then twice that."
    )
    signing_key_days: float = Field(
        90, ge=0, description="When signing keys are replaced by themselves; 0: never."
    )
    signing_key_publish_seconds: float = Field(
        900, ge=0, description="How long a signing key is published before it signs."
    )
    token_seconds: int = Field(900, ge=60, le=3600, description="How long access tokens live.")
