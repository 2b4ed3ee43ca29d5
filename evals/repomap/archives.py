"""Unpacks wheels and tar files."""

import shutil
import tarfile
import zipfile
from pathlib import Path


def unpack(archive: Path, into: Path, *, inside: str = "") -> None:
    """Writes the regular files of an archive to a new folder, or those of a folder in it."""
    draft = into.with_name(f"{into.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            names = [name for name in wheel.namelist() if name.startswith(inside)]
            wheel.extractall(draft, names)  # noqa: S202 - zipfile takes `..` out of names
    else:
        with tarfile.open(archive) as tar:
            files = [member for member in tar if member.isfile()]
            tar.extractall(draft, members=files, filter="data")
    (draft / inside).rename(into)
    shutil.rmtree(draft, ignore_errors=True)
