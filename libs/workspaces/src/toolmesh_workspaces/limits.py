"""How large a snapshot may be."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The bounds that every manifest is held to, on the client and again on the server.

    They bound memory and time as well: a manifest within them takes about 100 MB at most while it
    is checked, and its links are followed in a few seconds at most.
    """

    files: int = 200_000
    """How many files and links a snapshot may have."""
    folders: int = 200_000
    """How many folders these may lie in: whoever reads the snapshot may have to make them."""
    file_bytes: int = 64 * 2**20
    """The size of one file."""
    snapshot_bytes: int = 2 * 2**30
    """The size of all files together; a content that lies at two paths counts twice."""
    path_bytes: int = 4096
    """The length of a path or of a link's target, in UTF-8."""
    part_bytes: int = 255
    """The length of one part of a path, in UTF-8: what common file systems can store."""
    path_parts: int = 128
    """How many parts a path may have: many programs go down a tree by recursion."""
    manifest_bytes: int = 64 * 2**20
    """The length of all paths and targets together, in UTF-8."""
    target_bytes: int = 4 * 2**20
    """The length of all link targets together, in UTF-8."""
    link_hops: int = 40
    """How many links one path may lead through: Linux follows no more."""


DEFAULT_LIMITS = Limits()
