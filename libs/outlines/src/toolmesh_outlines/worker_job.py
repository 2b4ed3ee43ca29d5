"""What a worker is asked; apart, so that asking does not load the grammars."""

import msgspec


class Job(msgspec.Struct, frozen=True, array_like=True):
    """A file to read: the name of its language, and its content."""

    language: str
    source: bytes
