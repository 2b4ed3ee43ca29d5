"""The settings of the codesearch service."""

import os
from pathlib import Path

from pydantic import Field

from toolmesh_serving.settings import ServingSettings


def _usable_cores() -> int:
    return min(len(os.sched_getaffinity(0)), 8)


class Settings(ServingSettings):
    """Read from `TOOLMESH_*` in the environment."""

    data_folder: Path = Field(
        Path("../data/codesearch"),
        description="Where parts, embeddings and the model are kept, from the run folder; losing it"
        " costs time alone.",
    )
    codesearch_store_bytes: int = Field(
        2**30,
        ge=2**20,
        description="How large parts, texts to embed and embeddings may grow before old ones go.",
    )
    codesearch_content_bytes: int = Field(
        2**25, ge=2**20, description="How large the contents held in memory may be together."
    )
    codesearch_workers: int = Field(
        default_factory=_usable_cores, ge=1, description="How many processes parse at once."
    )
    codesearch_worker_memory_bytes: int = Field(
        2**30, ge=2**27, description="How much address space a parsing process may use."
    )
    codesearch_worker_idle_seconds: float = Field(
        5.0, gt=0, description="How long a process without work lives on."
    )
    codesearch_file_seconds: float = Field(
        10.0, gt=0, description="How much processor time parsing one file may take."
    )
    codesearch_max_file_bytes: int = Field(
        2**20, ge=1, le=2**26, description="Of larger files, only the path can be found."
    )
    codesearch_searches: int = Field(
        32, ge=1, description="How many searches may be under way at once."
    )
    codesearch_indexes: int = Field(
        32, ge=1, description="How many calls of `Index` may be under way at once."
    )
    codesearch_kept_units: int = Field(
        250_000, ge=1, description="How many units the indexes in memory may have together."
    )
    codesearch_index_idle_seconds: float = Field(
        900.0, gt=0, description="How long after the last search the indexes in memory are let go."
    )
    codesearch_embedding_threads: int = Field(
        default_factory=_usable_cores,
        ge=0,
        description="How many threads make embeddings; 0: none are made, words alone count.",
    )
