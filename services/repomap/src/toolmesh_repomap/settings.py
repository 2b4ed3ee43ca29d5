"""The settings of the repomap service."""

import os
from pathlib import Path

from pydantic import Field

from toolmesh_serving.settings import ServingSettings


def _usable_cores() -> int:
    return min(len(os.sched_getaffinity(0)), 8)


class Settings(ServingSettings):
    """Read from `TOOLMESH_*` in the environment."""

    data_folder: Path = Field(
        Path("../data/repomap"),
        description="Where outlines and indexes are kept, from the run folder; they can be lost.",
    )
    repomap_cache_bytes: int = Field(
        2**30, ge=2**20, description="How large the kept outlines may grow before old ones go."
    )
    repomap_workers: int = Field(
        default_factory=_usable_cores, ge=1, description="How many processes parse at once."
    )
    repomap_max_file_bytes: int = Field(
        2**20, ge=1, le=2**26, description="Larger files are not read as code."
    )
    repomap_file_seconds: float = Field(
        10.0, gt=0, description="How much processor time parsing one file may take."
    )
    repomap_worker_memory_bytes: int = Field(
        2**30, ge=2**27, description="How much address space a parsing process may use."
    )
    repomap_worker_idle_seconds: float = Field(
        60.0, gt=0, description="How long a parsing process without work lives on."
    )
    repomap_index_store_bytes: int = Field(
        2**29, ge=0, description="How large the indexes on disk may grow before old ones go."
    )
    repomap_kept_files: int = Field(
        20_000, ge=1, description="How many files the indexes held in memory may have together."
    )
    repomap_index_idle_seconds: float = Field(
        900.0, gt=0, description="How long after the last map those indexes are let go."
    )
