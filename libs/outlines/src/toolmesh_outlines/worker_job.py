"""What a worker is asked; apart, so that asking does not load the grammars."""

import msgspec


class Job(msgspec.Struct, frozen=True, array_like=True):
    """A file to read: the name of its language, its content, and whether uses are asked for."""

    language: str
    source: bytes
    with_uses: bool
