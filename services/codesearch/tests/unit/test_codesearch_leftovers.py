"""What nobody uses any more leaves the data folder; what somebody may use stays."""

import os
import time
from pathlib import Path

from toolmesh_codesearch.leftovers import remove_leftovers

_HOUR = 3600.0


def _old(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_what_is_of_no_use_goes(tmp_path: Path) -> None:
    """Outlines, models of other versions, and what a killed service was making."""
    ages = {
        "outlines.sqlite": 0.0,
        "outlines.sqlite-wal": 0.0,
        "outlines.sqlite-shm": 0.0,
        "index.sqlite": 99 * _HOUR,
        "minilm-0.8.0-1.onnx": 99 * _HOUR,
        "minilm-0.9.0-1.onnx": _HOUR,
        "minilm-1.0.0-1.onnx": 0.0,
        "model-killed/minilm-1.0.0-1.onnx": 2 * _HOUR,
        "model-others/minilm-1.0.0-1.onnx": 0.5 * _HOUR,
    }
    for name, age in ages.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
        _old(tmp_path / name, age)
        if "/" in name:
            _old((tmp_path / name).parent, age)
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "index.sqlite",
        "minilm-0.9.0-1.onnx",
        "minilm-1.0.0-1.onnx",
        "model-others",
    }


def test_the_only_model_stays(tmp_path: Path) -> None:
    """However old it is, and a folder that is not there yet has none."""
    remove_leftovers(tmp_path / "none")
    (tmp_path / "minilm-1.0.0-1.onnx").write_bytes(b"x")
    _old(tmp_path / "minilm-1.0.0-1.onnx", 9999 * _HOUR)
    remove_leftovers(tmp_path)
    assert (tmp_path / "minilm-1.0.0-1.onnx").exists()


def test_what_cannot_be_removed_stays(tmp_path: Path) -> None:
    """The rest goes all the same, and no link is followed."""
    elsewhere = tmp_path / "elsewhere"
    data = tmp_path / "data"
    for folder in (elsewhere, data):
        folder.mkdir()
    (elsewhere / "mine").touch()
    (data / "outlines.sqlite").symlink_to(elsewhere)
    (data / "outlines.sqlite-wal").touch()
    remove_leftovers(data)
    assert [path.name for path in data.iterdir()] == ["outlines.sqlite"]
    assert (elsewhere / "mine").exists()
