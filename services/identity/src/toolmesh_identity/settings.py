"""The settings of the identity service."""

from pathlib import Path

from pydantic import Field

from toolmesh_serving.settings import ServingSettings


class Settings(ServingSettings):
    """Read from `TOOLMESH_*` in the environment."""

    redis_url: str = Field("redis://redis:6379/0", description="Where keys and roles are kept.")
    secret_file: Path = Field(
        Path("secret.key"),
        description="The secret that API keys are hashed and signing keys encrypted with. "
        "Made when it is missing; losing it makes every key useless.",
    )
    admin_key_file: Path = Field(
        Path("admin.key"), description="Where the first start leaves the administrator's API key."
    )
    token_seconds: int = Field(900, ge=60, le=3600, description="How long access tokens live.")
