"""Files that hold what users' code says: for the user that the service runs as, and nobody else."""

import contextlib
import os
from pathlib import Path

_FOLDER_MODE = 0o700
_FILE_MODE = 0o600


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner can enter; one that is there keeps the mode it was given.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)


def make_private(file: Path) -> None:
    """Let only its owner read a file, whatever the umask; one that is not there is made, empty.

    Raises:
        OSError: it cannot be made.
    """
    try:
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE))
    except FileExistsError:
        # That of another user is as private as they made it.
        with contextlib.suppress(PermissionError):
            file.chmod(_FILE_MODE)
