"""Unpacks a tar file in a process of its own, with bounds on memory, time and what it writes.

A tar file can be made to cost its reader much memory or time in more ways than one can list, so the
kernel holds the bounds. Run as `python -m toolmesh_workspace.unpack <arguments>`; the files are
inherited descriptors without a name, so nothing is left behind whatever happens. The answer goes to
standard output: one line of JSON, then the manifest and the offsets of its contents in binary.
"""

import json
import os
import resource
import sys
from dataclasses import asdict, dataclass

from toolmesh_workspace.decompression import BombError, StreamError
from toolmesh_workspace.tar_reader import TarError, Unpacked, read_tar
from toolmesh_workspaces.limits import Limits
from toolmesh_workspaces.refusals import ManifestError, Refusal

_MEMORY_BYTES = 1 << 30
_CPU_SECONDS = 600
TAR_REFUSAL = "TAR_INVALID"
# Not the caller's fault: where the files are is full, say.
DISK_FAILURE = "DISK"


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to unpack: two descriptors and the limits."""

    source: int
    contents: int
    limits: Limits

    def to_argument(self) -> str:
        """Return the job as a command-line argument."""
        return json.dumps(asdict(self))

    @classmethod
    def from_argument(cls, text: str) -> "Job":
        """Return the job of a command-line argument."""
        fields = json.loads(text)
        return cls(
            source=fields["source"],
            contents=fields["contents"],
            limits=Limits(**fields["limits"]),
        )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The head of the answer: a refusal, or how long the parts that follow are."""

    refusal: str = ""
    field: str = ""
    description: str = ""
    manifest_bytes: int = 0
    content_count: int = 0

    @classmethod
    def from_line(cls, line: bytes) -> "Answer":
        """Return the answer of the first line of the output."""
        return cls(**json.loads(line))

    def to_line(self) -> bytes:
        """Return the answer as a line."""
        return json.dumps(asdict(self)).encode() + b"\n"


def main() -> None:
    """Do the job named on the command line."""
    job = Job.from_argument(sys.argv[1])
    most = job.limits.snapshot_bytes + job.limits.file_bytes
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    try:
        with os.fdopen(job.source, "rb") as source, os.fdopen(job.contents, "wb") as contents:
            unpacked = read_tar(source, contents, job.limits)
    except ManifestError as error:
        _refuse(error.refusal.value, error.field, error.description)
    except (TarError, StreamError) as error:
        _refuse(TAR_REFUSAL, "tar", str(error))
    except BombError as error:
        _refuse(Refusal.TOO_LARGE.value, "tar", str(error))
    except MemoryError:
        _refuse(Refusal.TOO_LARGE.value, "tar", "needs too much memory to be unpacked")
    except OSError as error:
        _refuse(DISK_FAILURE, "", str(error))
    else:
        _answer(unpacked)


def _refuse(refusal: str, field: str, description: str) -> None:
    answer = Answer(refusal=refusal, field=field, description=description)
    sys.stdout.buffer.write(answer.to_line())


def _answer(unpacked: Unpacked) -> None:
    manifest = unpacked.manifest.encode()
    answer = Answer(manifest_bytes=len(manifest), content_count=len(unpacked.digests))
    sys.stdout.buffer.write(answer.to_line())
    sys.stdout.buffer.write(manifest)
    sys.stdout.buffer.write(b"".join(unpacked.digests))
    sys.stdout.buffer.write(unpacked.offsets.tobytes())


if __name__ == "__main__":
    main()
