"""The settings of the semgrep service."""

import os
from pathlib import Path

from pydantic import Field

from toolmesh_serving.settings import ServingSettings


def _usable_cores() -> int:
    return min(len(os.sched_getaffinity(0)), 8)


def _own_rules() -> Path:
    """Return the folder of the service's own packs: in its package, or beside the source."""
    packaged = Path(__file__).parent / "rules"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "rules"


class Settings(ServingSettings):
    """Read from `TOOLMESH_*` in the environment."""

    data_folder: Path = Field(
        Path("../data/semgrep"),
        description="Where results are kept, from the run folder; losing it costs time alone.",
    )
    semgrep_rules_folders: tuple[Path, ...] = Field(
        (_own_rules(),),
        description="Folders whose folders are rule packs, as a JSON list.",
    )
    semgrep_cache_bytes: int = Field(
        2**29, ge=2**20, description="How large the kept results may grow before old ones go."
    )
    semgrep_processes: int = Field(
        default_factory=_usable_cores, ge=1, description="How many engine processes run at once."
    )
    semgrep_scans: int = Field(8, ge=1, description="How many scans may be under way at once.")
    semgrep_max_file_bytes: int = Field(
        1_000_000, ge=1, le=2**26, description="Larger files are named and not scanned."
    )
    semgrep_max_matches: int = Field(
        100_000,
        ge=1,
        description="How many places a scan may find; one counts once a KB of its texts.",
    )
    semgrep_rule_seconds: float = Field(
        5.0, gt=0, description="How long one rule may take on one file."
    )
    semgrep_batch_seconds: float = Field(
        30.0, gt=0, description="Of the processor, for a batch of files before it is cut up."
    )
    semgrep_scan_seconds: float = Field(
        240.0, gt=0, description="How long a scan may take; files not reached then are named."
    )
    semgrep_memory_bytes: int = Field(
        2**31, ge=2**28, description="How much memory an engine process may allocate."
    )
