"""Writes the files of a snapshot into a folder."""

import os
from collections.abc import Iterable
from pathlib import Path

from toolmesh_workspaces.manifest import FileEntry, Manifest

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class CheckoutWriter:
    """Writes a manifest's files below a folder that it makes or finds empty.

    The manifest was made by ManifestBuilder, so no path leaves the folder and no path leads through
    another entry. Links are made after all files, so no write ever goes through one.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """It raises FileExistsError when the folder has anything in it."""
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FileExistsError(f"{folder} is not empty")
        self._folder = folder
        self._manifest = manifest

    def make_folders(self) -> None:
        """Make all folders."""
        for name in sorted({entry.path.rpartition("/")[0] for entry in self._manifest.files}):
            (self._folder / name).mkdir(parents=True, exist_ok=True)

    def write(self, entries: Iterable[FileEntry], content: bytes) -> None:
        """Write one content to every path that has it."""
        for entry in entries:
            mode = 0o755 if entry.executable else 0o644
            with open(os.open(self._folder / entry.path, _NEW_FILE, mode), "wb") as file:
                file.write(content)

    def make_links(self) -> None:
        """Make all links; call it last."""
        for entry in self._manifest.files:
            if entry.symlink_target:
                os.symlink(entry.symlink_target, self._folder / entry.path)
