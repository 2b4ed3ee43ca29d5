"""The model's file comes about by itself."""

import asyncio
import os
import sys
from collections.abc import Callable
from glob import glob
from pathlib import Path

import psutil
import pytest

from toolmesh_codesearch import model_file
from toolmesh_codesearch.model_file import ModelFile, ModelMissingError
from toolmesh_codesearch.query_embedding import ModelEmbedder


@pytest.fixture
def make_count(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], int]:
    """Tells how often the model was made since the test began."""
    folder = tmp_path_factory.mktemp("python")
    program, log = folder / "python", folder / "log"
    program.write_text(f'#!/bin/sh\necho "$3" >> "{log}"\nexec "{sys.executable}" "$@"\n')
    program.chmod(0o755)
    log.touch()
    monkeypatch.setattr(sys, "executable", str(program))
    return lambda: log.read_text().split().count("toolmesh_codesearch.integer_model")


async def test_it_is_made_once(tmp_path: Path, make_count: Callable[[], int]) -> None:
    """Whoever asks at the same time, or later, gets the same file, and nothing else is left."""
    file = ModelFile(tmp_path)
    paths = await asyncio.gather(*(file.path() for _ in range(4)))
    assert {*paths, await ModelFile(tmp_path).path()} == set(map(Path, glob(f"{tmp_path}/*")))
    assert make_count() == 1


async def test_replicas_make_it_side_by_side(tmp_path: Path, make_count: Callable[[], int]) -> None:
    """They do not know of each other; the last one's file stays, and nothing else."""
    paths = await asyncio.gather(*(ModelFile(tmp_path).path() for _ in range(2)))
    assert set(paths) == set(map(Path, glob(f"{tmp_path}/*")))
    assert make_count() == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """The service then goes on with words alone."""
    os.chmod(tmp_path, 0o500)
    with pytest.raises(ModelMissingError, match="Permission denied"):
        await ModelFile(tmp_path).path()


async def test_without_a_folder_there_are_words_alone(tmp_path: Path) -> None:
    """It is told once, and no search fails."""
    embedder = ModelEmbedder(ModelFile(tmp_path / "gone"))
    assert await embedder.embed("price", is_code=False) is None
    assert not embedder.is_loaded


async def test_a_model_that_cannot_be_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the reason that the program gave."""
    package = tmp_path / "broken_model"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "model.onnx").write_bytes(b"no model")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(model_file, "PACKAGE", "broken_model")
    monkeypatch.setattr(model_file.metadata, "version", lambda _: "1")
    with pytest.raises(ModelMissingError, match=r"cannot be made ready: .+"):
        await ModelFile(tmp_path).path()
    assert not glob(f"{tmp_path}/model-*")


async def test_a_program_that_hangs_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Searches wait for it no longer than that, and no process is left."""
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(model_file, "_MAKE_SECONDS", 0.2)
    before = psutil.Process().children()
    with pytest.raises(ModelMissingError, match=r"more than 0\.2 seconds"):
        await ModelFile(tmp_path).path()
    assert psutil.Process().children() == before
    assert not glob(f"{tmp_path}/model-*")
