"""Many strings in two arrays: each has a number, found by binary search in their sorted order.

A Python string takes some 70 bytes and its place in a dictionary 100 more; here it is its UTF-8
bytes and 12 more.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class StringTable:
    """Strings by number: string i is `data[offsets[i]:offsets[i + 1]]`.

    `order` lists the numbers in the order of the strings' UTF-8 bytes.
    """

    data: bytes
    offsets: Ints
    order: Ints

    @classmethod
    def of(cls, texts: Iterable[str]) -> "StringTable":
        """Return a table of these strings, no two of them equal, numbered as they come."""
        encoded = [text.encode() for text in texts]
        order = sorted(range(len(encoded)), key=encoded.__getitem__)
        return cls(b"".join(encoded), _offsets(encoded), np.array(order, dtype=np.int32))

    def __len__(self) -> int:
        return len(self.order)

    def text(self, number: int) -> str:
        """Return the string of that number."""
        return self._bytes(number).decode()

    def texts(self, numbers: Iterable[int]) -> list[str]:
        """Return the strings of those numbers."""
        return [self._bytes(number).decode() for number in numbers]

    def find(self, text: str) -> int:
        """Return the number of a string, -1 if the table does not have it."""
        wanted = text.encode()
        at = self._place(wanted)
        if at < len(self.order):
            number = self.order.item(at)
            if self._bytes(number) == wanted:
                return number
        return -1

    def extended(self, texts: Sequence[str]) -> "StringTable":
        """Return a table with these strings behind its own; the table has none of them yet."""
        if not texts:
            return self
        if len(texts) * 8 > len(self):
            return StringTable.of([*self.texts(range(len(self))), *texts])
        encoded = [text.encode() for text in texts]
        by_text = sorted(range(len(encoded)), key=encoded.__getitem__)
        places = [self._place(encoded[index]) for index in by_text]
        numbers = np.array(by_text, dtype=np.int32) + np.int32(len(self))
        return StringTable(
            data=self.data + b"".join(encoded),
            offsets=np.concatenate((self.offsets, self.offsets[-1] + _offsets(encoded)[1:])),
            order=np.insert(self.order, places, numbers),
        )

    def only(self, kept: NDArray[np.bool_]) -> "StringTable":
        """Return a table of those strings alone, numbered anew in the same order."""
        lengths = np.diff(self.offsets)
        letters = np.frombuffer(self.data, dtype=np.uint8)[np.repeat(kept, lengths)]
        numbers = np.cumsum(kept, dtype=np.int32) - np.int32(1)
        return StringTable(
            data=letters.tobytes(),
            offsets=np.concatenate((self.offsets[:1], np.cumsum(lengths[kept]))),
            order=numbers[self.order[kept[self.order]]],
        )

    def _bytes(self, number: int) -> bytes:
        return self.data[self.offsets.item(number) : self.offsets.item(number + 1)]

    def _place(self, wanted: bytes) -> int:
        """Return how many strings come before `wanted` in order."""
        data, offsets, order = self.data, self.offsets, self.order
        low, high = 0, len(order)
        while low < high:
            middle = (low + high) // 2
            number = order.item(middle)
            if data[offsets.item(number) : offsets.item(number + 1)] < wanted:
                low = middle + 1
            else:
                high = middle
        return low


class Numbers(dict[str, int]):
    """What a function gives for strings: `numbers[text]` asks it once for each.

    A look-up of what is known costs no call of Python code, which counts in millions of them.
    """

    def __init__(self, number_of: Callable[[str], int]) -> None:
        super().__init__()
        self._number_of = number_of

    def __missing__(self, text: str) -> int:
        number = self[text] = self._number_of(text)
        return number


class Interner(dict[str, int]):
    """Numbers strings: `interner[text]` is the number in a table, or a new one behind its numbers.

    `added` are the new ones in order.
    """

    def __init__(self, table: StringTable) -> None:
        super().__init__()
        self._table = table
        self.added: list[str] = []

    def __missing__(self, text: str) -> int:
        number = self._table.find(text) if len(self._table) else -1
        if number < 0:
            number = len(self._table) + len(self.added)
            self.added.append(text)
        self[text] = number
        return number

    def finish(self) -> StringTable:
        """Return the table of all strings."""
        return self._table.extended(self.added)


EMPTY = StringTable(b"", np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int32))


def _offsets(encoded: Sequence[bytes]) -> Ints:
    return np.fromiter(
        accumulate(map(len, encoded), initial=0), dtype=np.int64, count=len(encoded) + 1
    )
