"""The settings of the audit service."""

from pydantic import Field

from toolmesh_serving.settings import ServingSettings


class Settings(ServingSettings):
    """Read from `TOOLMESH_*` in the environment."""

    redis_url: str = Field("redis://redis:6379/0", description="Where the log is kept.")
    audit_retention_days: float = Field(
        365, gt=0, description="How long records are kept, in days. Anchors are kept for ever."
    )
    audit_retention_check_seconds: float = Field(
        3600, gt=0, description="How often records whose time is over are looked for."
    )
