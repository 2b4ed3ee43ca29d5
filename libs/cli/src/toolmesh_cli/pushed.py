"""Remembers which workspace a folder was pushed to, for each mesh and each who pushed it there."""

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

_FILE = "workspaces.json"


def pushed_workspaces(mesh: str, folder: Path, *, environ: Mapping[str, str]) -> dict[str, str]:
    """The workspaces that a folder was last pushed to on a mesh, by the subject who did."""
    return dict(_object(_object(_read(_file(environ)), mesh), _name(folder)))


def remember_push(
    mesh: str, folder: Path, *, subject: str, workspace: str, environ: Mapping[str, str]
) -> None:
    """Keeps the workspace of a folder. Two commands at once do not lose each other's."""
    file = _file(environ)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = _read(file)
        folders = known[mesh] = _object(known, mesh)
        folders[_name(folder)] = _object(folders, _name(folder)) | {subject: workspace}
        draft = file.with_suffix(".draft")
        draft.write_bytes(orjson.dumps(known, option=orjson.OPT_INDENT_2))
        draft.replace(file)


def state_folder(environ: Mapping[str, str]) -> Path:
    """Where the command remembers things between calls."""
    given = environ.get("XDG_STATE_HOME", "")
    state = Path(given) if os.path.isabs(given) else Path.home() / ".local" / "state"
    return state / "toolmesh"


def _file(environ: Mapping[str, str]) -> Path:
    return state_folder(environ) / _FILE


def _read(file: Path) -> dict[str, Any]:
    try:
        return _object({"": orjson.loads(file.read_bytes())}, "")
    except (OSError, orjson.JSONDecodeError):
        return {}


def _object(known: Mapping[str, Any], key: str) -> dict[str, Any]:
    """What stands there if it is an object; a file that is none costs a new workspace."""
    value = known.get(key)
    return value if isinstance(value, dict) else {}


def _name(folder: Path) -> str:
    return os.path.realpath(folder)
