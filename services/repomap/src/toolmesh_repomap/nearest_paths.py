"""Says what may be meant by a path that is no file."""

import posixpath
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from toolmesh_repomap.similar_texts import most_similar
from toolmesh_workspaces.snapshot_protocol import SnapshotFile

_MOST = 5


def why_unknown(files: Sequence[SnapshotFile], path: str) -> tuple[str, list[str]]:
    """Return what is wrong with a path, and files that may be meant, the most likely first.

    Those of a folder come first when the path is one; then those of the same name; then those whose
    whole path is alike.
    """
    plain = posixpath.normpath(path).lstrip("/") if path.strip() else ""
    if any(file.path == path and not file.digest for file in files):
        return "is a symbolic link, which has no content of its own", []
    paths = [file.path for file in files if file.digest]
    inside = [each for each in paths if each.startswith(f"{plain}/")]
    if inside:
        return "is a folder", inside[:_MOST]
    name = posixpath.basename(plain).lower()
    same_name = [each for each in paths if posixpath.basename(each).lower() == name]
    nearest = [*_most_similar(same_name, plain, least_ratio=0.0), *_most_similar(paths, plain)]
    return "is no file of the snapshot", list(dict.fromkeys(nearest))[:_MOST]


def _most_similar(paths: Sequence[str], path: str, least_ratio: float = 0.6) -> list[str]:
    encoded = [each.encode() for each in paths]
    offsets = np.fromiter(accumulate(map(len, encoded), initial=0), dtype=np.int64)
    return most_similar(
        path,
        b"".join(encoded),
        offsets,
        text_of=paths.__getitem__,
        most=_MOST,
        least_ratio=least_ratio,
    )
