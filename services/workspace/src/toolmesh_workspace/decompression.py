"""Decompresses a stream within bounds, so that a small upload cannot become a huge one."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

_INPUT_BYTES = 64 * 1024
# The largest dictionary of xz's own presets takes 65 MiB; a stream may ask for 4 GiB.
_XZ_MEMORY_BYTES = 128 * 2**20
# Source code shrinks to a fifth, at best to a twentieth. What grows a hundredfold and is no small
# file was made to do harm.
_RATIO = 100
_RATIO_FROM_BYTES = 64 * 2**20


class BombError(Exception):
    """What comes out is too large, or too large for what went in."""


class StreamError(Exception):
    """The stream is damaged or cut off."""


class _Decompressor(Protocol):
    """What bz2 and lzma have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    """zlib's decompressor with the interface of the other two."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)


_FORMATS: tuple[tuple[bytes, Callable[[], _Decompressor]], ...] = (
    (b"\x1f\x8b", _Gzip),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\0", _xz),
)


class BoundedReader:
    """Reads a plain, gzip, bzip2 or xz stream; which of them its first bytes tell.

    Args:
        source: the stream, at its beginning.
        max_bytes: how much may come out.
    """

    def __init__(self, source: BinaryIO, max_bytes: int) -> None:
        self._source = source
        self._max_bytes = max_bytes
        self._taken = 0
        self._given = 0
        self._input = self._take()
        self._make = next((make for magic, make in _FORMATS if self._input.startswith(magic)), None)
        self._decompressor = self._make() if self._make is not None else None

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, fewer only at the end.

        It raises BombError as soon as a bound is passed, and StreamError.
        """
        parts: list[bytes] = []
        missing = size
        while missing > 0 and (part := self._read_some(missing)):
            parts.append(part)
            missing -= len(part)
            self._count(len(part))
        return b"".join(parts)

    def _read_some(self, size: int) -> bytes:
        if self._decompressor is None:
            data = self._input[:size] or self._source.read(size)
            self._input = self._input[size:]
            return data
        try:
            return self._decompress(self._decompressor, size)
        except lzma.LZMAError as error:
            if "Memory usage limit" in str(error):
                raise BombError("needs too much memory to be unpacked") from None
            raise StreamError("is a damaged xz stream") from None
        except (zlib.error, OSError, EOFError):
            raise StreamError("is a damaged gzip or bzip2 stream") from None

    def _decompress(self, decompressor: _Decompressor, size: int) -> bytes:
        while True:
            if decompressor.eof:
                following = self._next_member(decompressor)
                if following is None:
                    return b""
                decompressor = self._decompressor = following
            data, self._input = self._input, b""
            if not data and decompressor.needs_input:
                data = self._take()
            out = decompressor.decompress(data, size)
            if out:
                return out
            if not data and not decompressor.eof:
                raise StreamError("is cut off")

    def _next_member(self, ended: _Decompressor) -> _Decompressor | None:
        """Go on with the stream that follows, as gzip and its like do; zeros pad it."""
        if self._make is None:
            return None
        self._input = ended.unused_data.lstrip(b"\0")
        while not self._input:
            data = self._take()
            if not data:
                return None
            self._input = data.lstrip(b"\0")
        return self._make()

    def _take(self) -> bytes:
        data = self._source.read(_INPUT_BYTES)
        self._taken += len(data)
        return data

    def _count(self, size: int) -> None:
        self._given += size
        if self._given > self._max_bytes:
            raise BombError(f"unpacks to more than {self._max_bytes} bytes")
        bound = max(_RATIO_FROM_BYTES, _RATIO * self._taken)
        if self._decompressor is not None and self._given > bound:
            raise BombError(f"grows to more than {_RATIO} times its size")
