"""The process that parses: grammars are C code that reads hostile input, so it may crash alone.

It speaks frames over its standard input and output: four bytes of length (big endian), then as many
bytes. The first frame it sends is empty and says that it is ready. Each frame in is a MessagePack
array of jobs, each frame out the array of their encoded outlines. It ends when its input ends.

Its arguments are how many bytes of address space it may use, and how many seconds of processor time
each file may take: past that, the kernel ends it with SIGPROF. Wall-clock time would punish files
for what else the machine does.
"""

import os
import resource
import signal
import sys
import traceback
from typing import BinaryIO

from toolmesh_outlines.extraction import extract_outline
from toolmesh_outlines.outline import NOT_PARSED, Outline, encode_outline
from toolmesh_outlines.worker_job import Job, decode_jobs, encode_answers


def read_frame(stream: BinaryIO) -> bytes | None:
    """Return the next frame, or None at the end of the stream."""
    header = stream.read(4)
    if len(header) < 4:
        return None
    length = int.from_bytes(header)
    data = stream.read(length)
    return data if len(data) == length else None


def write_frame(stream: BinaryIO, data: bytes) -> None:
    """Send a frame."""
    stream.write(len(data).to_bytes(4))
    stream.write(data)
    stream.flush()


def _outline(job: Job) -> Outline:
    try:
        return extract_outline(job.source, job.language, with_uses=job.with_uses)
    except Exception:  # one file must never cost another its outline
        traceback.print_exc()
        return Outline(skipped=NOT_PARSED)


def main() -> None:
    """Answer frames until the input ends."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    max_memory_bytes, file_seconds = int(sys.argv[1]), float(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (max_memory_bytes, max_memory_bytes))
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # What a library prints must not end up between the frames.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    write_frame(answers, b"")
    while (data := read_frame(sys.stdin.buffer)) is not None:
        outlines: list[bytes] = []
        for job in decode_jobs(data):
            signal.setitimer(signal.ITIMER_PROF, file_seconds)
            outlines.append(encode_outline(_outline(job)))
            signal.setitimer(signal.ITIMER_PROF, 0)
        write_frame(answers, encode_answers(outlines))


if __name__ == "__main__":
    main()
