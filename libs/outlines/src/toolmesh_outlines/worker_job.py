"""What a worker is asked and answers; apart, so that asking does not load the grammars."""

from collections.abc import Sequence

import msgspec


class Job(msgspec.Struct, frozen=True, array_like=True):
    """A file to read: the name of its language, its content, and whether uses are asked for."""

    language: str
    source: bytes
    with_uses: bool = True


_encoder = msgspec.msgpack.Encoder()
_jobs_decoder = msgspec.msgpack.Decoder(list[Job])
_answers_decoder = msgspec.msgpack.Decoder(list[bytes])


def encode_jobs(jobs: Sequence[Job]) -> bytes:
    """Return jobs as bytes."""
    return _encoder.encode(jobs)


def decode_jobs(data: bytes) -> list[Job]:
    """Return the jobs that `encode_jobs` gave as `data`."""
    return _jobs_decoder.decode(data)


def encode_answers(outlines: Sequence[bytes]) -> bytes:
    """Return encoded outlines as bytes."""
    return _encoder.encode(outlines)


def decode_answers(data: bytes) -> list[bytes]:
    """Return the encoded outlines that `encode_answers` gave as `data`."""
    return _answers_decoder.decode(data)
