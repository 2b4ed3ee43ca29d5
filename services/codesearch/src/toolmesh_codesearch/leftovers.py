"""Removes what earlier versions of the service, or one that was killed, left in the data folder."""

import math
import shutil
import time
from pathlib import Path

import structlog

_log = structlog.get_logger(__name__)

# Outlines were kept once.
_UNUSED = ("outlines.sqlite", "outlines.sqlite-wal", "outlines.sqlite-shm")
# Replicas may share the folder, of which one may be making a model, or run one of another version.
_MAKING_SECONDS = 3600
_KEPT_SECONDS = 86_400


def remove_leftovers(folder: Path) -> None:
    """Remove what is of no use any more; what cannot be removed is logged and stays.

    Of models, the one made last stays, and what is younger than a day.
    """
    for path in _leftovers(folder, time.time()):
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("codesearch.leftover_stays", path=str(path), error=str(error))


def _leftovers(folder: Path, now: float) -> list[Path]:
    models = sorted(folder.glob("minilm-*.onnx"), key=_changed_at)[:-1]
    return [
        *(folder / name for name in _UNUSED),
        *(path for path in models if _changed_at(path) < now - _KEPT_SECONDS),
        *(path for path in folder.glob("model-*/") if _changed_at(path) < now - _MAKING_SECONDS),
    ]


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another replica was faster
        return math.inf
