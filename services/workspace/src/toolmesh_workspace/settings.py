"""The settings of the workspace service."""

from pathlib import Path

from pydantic import Field

from toolmesh_serving.settings import ServingSettings
from toolmesh_workspaces.limits import DEFAULT_LIMITS, Limits


class Settings(ServingSettings):
    """Read from `TOOLMESH_*` in the environment."""

    redis_url: str = Field("redis://redis:6379/0", description="Where the records are kept.")
    blob_store: str = Field(
        "blobs",
        description="Where the contents are kept: a folder, file:///folder or s3://bucket/prefix. "
        "S3's endpoint, region and credentials come from AWS_* as for any other client.",
    )
    spool_folder: Path | None = Field(
        None, description="Where uploads of tar files are unpacked; unset: the system's own."
    )
    workspace_max_files: int = Field(
        DEFAULT_LIMITS.files, ge=1, description="How many files a snapshot may have."
    )
    workspace_max_file_bytes: int = Field(
        DEFAULT_LIMITS.file_bytes,
        ge=1,
        le=256 * 2**20,
        description="How large a file may be. A push holds one in memory.",
    )
    workspace_max_bytes: int = Field(
        DEFAULT_LIMITS.snapshot_bytes, ge=1, description="How large all files may be together."
    )

    workspace_max_pushes: int = Field(
        8,
        ge=1,
        description="How many pushes and uploads a replica takes at once; each may hold 96 MiB.",
    )
    workspace_max_pushes_a_subject: int = Field(
        2, ge=1, description="How many of those may be one subject's."
    )

    @property
    def limits(self) -> Limits:
        """What every manifest is held to."""
        return Limits(
            files=self.workspace_max_files,
            folders=max(self.workspace_max_files, DEFAULT_LIMITS.folders),
            file_bytes=self.workspace_max_file_bytes,
            snapshot_bytes=self.workspace_max_bytes,
        )
