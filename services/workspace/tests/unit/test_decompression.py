"""Streams of all kinds are decompressed, and bombs and damage are noticed."""

import bz2
import gzip
import io
import lzma
import os
from collections.abc import Callable

import pytest

from toolmesh_workspace.decompression import BombError, BoundedReader, StreamError

_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
# By its first byte it is of no kind that is known.
_DATA = b"x" + os.urandom(199_999) + bytes(200_000)


@pytest.fixture(params=[name for name in _PACKERS if name != "plain"])
def pack(request: pytest.FixtureRequest) -> Callable[[bytes], bytes]:
    """Each compression."""
    return _PACKERS[request.param]


def _read(stream: bytes, *, max_bytes: int = 10**9, size: int = 10_240) -> bytes:
    reader = BoundedReader(io.BytesIO(stream), max_bytes)
    parts: list[bytes] = []
    while part := reader.read(size):
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("name", list(_PACKERS))
@pytest.mark.parametrize("size", [511, 10_240, 10**6])
def test_every_kind_is_known_by_its_first_bytes(name: str, size: int) -> None:
    """Whatever sizes are read."""
    assert _read(_PACKERS[name](_DATA), size=size) == _DATA


def test_reads_are_full_but_for_the_last(pack: Callable[[bytes], bytes]) -> None:
    """tarfile takes a short read for the end."""
    reader = BoundedReader(io.BytesIO(pack(_DATA)), 10**9)
    sizes = [len(reader.read(3000)) for _ in range(134)]
    assert sizes == [3000] * 133 + [1000]


def test_streams_one_after_another_are_one(pack: Callable[[bytes], bytes]) -> None:
    """Parallel compressors write such files; zeros may pad them."""
    assert _read(pack(b"a" * 70_000) + pack(b"b" * 70_000) + bytes(1000)) == (
        b"a" * 70_000 + b"b" * 70_000
    )


def test_an_empty_stream_is_empty() -> None:
    """Of any kind."""
    assert _read(b"") == b""
    assert _read(gzip.compress(b"")) == b""


def test_a_stream_that_is_cut_off_is_noticed(pack: Callable[[bytes], bytes]) -> None:
    """Half an upload must not pass for a whole one."""
    packed = pack(_DATA)
    for length in (len(packed) // 2, len(packed) - 1):
        with pytest.raises(StreamError):
            _read(packed[:length])


def test_a_damaged_stream_is_noticed(pack: Callable[[bytes], bytes]) -> None:
    """The check sums of the formats are looked at."""
    packed = bytearray(pack(_DATA))
    packed[len(packed) // 2] ^= 1
    with pytest.raises(StreamError):
        _read(bytes(packed))


def test_rubbish_after_a_stream_is_noticed(pack: Callable[[bytes], bytes]) -> None:
    """Only zeros may follow."""
    with pytest.raises(StreamError):
        _read(pack(b"x") + b"rubbish")


@pytest.mark.parametrize("name", list(_PACKERS))
def test_no_more_comes_out_than_may(name: str) -> None:
    """It ends with the read that passes the bound."""
    packed = _PACKERS[name](_DATA)
    with pytest.raises(BombError, match="unpacks to more than 50000 bytes"):
        _read(packed, max_bytes=50_000)


def test_what_grows_more_than_a_hundredfold_is_a_bomb(pack: Callable[[bytes], bytes]) -> None:
    """A gigabyte of zeros would still be within the limits of a snapshot."""
    if pack is gzip.compress:
        packed = gzip.compress(bytes(128 * 2**20))
    else:
        packed = pack(bytes(65 * 2**20))
    with pytest.raises(BombError, match="grows to more than 100 times its size"):
        _read(packed, size=2**20)


def test_a_stream_that_asks_for_much_memory_is_a_bomb() -> None:
    """xz lets the packer say how much memory the unpacker needs."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 512 * 2**20, "preset": 0}]
    compressor = lzma.LZMACompressor(lzma.FORMAT_XZ, filters=filters)
    packed = compressor.compress(b"x") + compressor.flush()
    with pytest.raises(BombError, match="too much memory"):
        _read(packed)
