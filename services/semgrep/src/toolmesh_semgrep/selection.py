"""Which files of a snapshot a scan reads."""

from collections.abc import Sequence

from toolmesh_semgrep.errors import ScanInvalid
from toolmesh_workspaces.path_filter import GlobInvalidError, IgnoredPaths, PathFilter

IGNORE_FILE = ".semgrepignore"


class Selection:
    """Globs as in `.gitignore`: `*.py` anywhere, `src/**` from the root, `tests/` a folder.

    Args:
        include: what to scan; empty: everything.
        exclude: what to leave out of that.
        ignored: the lines of the workspace's own ignore file.

    Raises:
        ScanInvalid: a glob cannot be used; the field and the glob are named.
    """

    def __init__(
        self, *, include: Sequence[str] = (), exclude: Sequence[str] = (), ignored: str = ""
    ) -> None:
        try:
            self._paths = PathFilter(include=include, exclude=exclude)
        except GlobInvalidError as error:
            raise ScanInvalid.at(error.field, str(error)) from error
        lines = [line for line in ignored.splitlines() if not line.startswith(":include")]
        self._ignored = IgnoredPaths(IGNORE_FILE, lines)

    def has(self, path: str) -> bool:
        """Tell whether the file at the path is scanned.

        Raises:
            ScanInvalid: the globs take too long on so many paths.
        """
        try:
            return not self._ignored.has(path) and self._paths.has(path)
        except GlobInvalidError as error:
            raise ScanInvalid.at(error.field, str(error)) from error
