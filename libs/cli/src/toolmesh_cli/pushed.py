"""Remembers which workspace a folder was pushed to, for each mesh."""

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path

import orjson

_FILE = "workspaces.json"

_Known = dict[str, dict[str, str]]


def pushed_workspace(
    url: str, folder: Path | None = None, *, environ: Mapping[str, str]
) -> str | None:
    """The workspace that a folder, or the current one, was last pushed to on the mesh at `url`."""
    known = _read(_file(environ)).get(url, {})
    return known.get(_name(folder or Path.cwd()))


def remember_push(url: str, folder: Path, workspace: str, *, environ: Mapping[str, str]) -> None:
    """Keeps the workspace of a folder. Two commands at once do not lose each other's."""
    file = _file(environ)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = _read(file)
        known.setdefault(url, {})[_name(folder)] = workspace
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


def _read(file: Path) -> _Known:
    try:
        known = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return known if isinstance(known, dict) else {}


def _name(folder: Path) -> str:
    return os.path.realpath(folder)
