"""The model's file comes about by itself, and is made anew when it is damaged."""

import asyncio
import os
import sys
from collections.abc import Callable
from glob import glob
from pathlib import Path
from typing import Any

import psutil
import pytest
from structlog.testing import capture_logs

from toolmesh_codesearch import model_file
from toolmesh_codesearch.model_file import ModelDamagedError, ModelFile, ModelMissingError
from toolmesh_codesearch.query_embedding import ModelEmbedder


@pytest.fixture
def make_count(
    tmp_path_factory: pytest.TempPathFactory, run_for_python: Callable[[str], None]
) -> Callable[[], int]:
    """Tells how often the model was made since the test began."""
    log = tmp_path_factory.mktemp("log") / "modules"
    log.touch()
    run_for_python(f'echo "$3" >> "{log}"')
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_for_python: Callable[[str], None]
) -> None:
    """Searches wait for it no longer than that, and no process is left."""
    run_for_python("exec sleep 600")
    monkeypatch.setattr(model_file, "_MAKE_SECONDS", 0.2)
    before = psutil.Process().children()
    with pytest.raises(ModelMissingError, match=r"more than 0\.2 seconds"):
        await ModelFile(tmp_path).path()
    assert psutil.Process().children() == before
    assert not glob(f"{tmp_path}/*")


async def test_a_program_that_is_killed_is_said(
    tmp_path: Path, run_for_python: Callable[[str], None]
) -> None:
    """It can give no reason; the signal is one."""
    run_for_python("kill -KILL $$")
    with pytest.raises(ModelMissingError, match="ended with -9"):
        await ModelFile(tmp_path).path()


@pytest.fixture(params=["empty", "truncated"])
async def damaged(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of a file that is damaged."""
    path = await ModelFile(tmp_path).path()
    os.truncate(path, 0 if request.param == "empty" else path.stat().st_size // 2)
    return tmp_path


async def test_a_query_is_embedded_with_a_damaged_file(damaged: Path) -> None:
    """The search that finds it damaged has it made anew."""
    embedder = ModelEmbedder(ModelFile(damaged))
    assert await embedder.embed("price", is_code=False) is not None


async def test_code_is_embedded_with_a_damaged_file(damaged: Path, embedding: Any) -> None:
    """The process that finds it damaged says so, and another one does the work."""
    async with embedding(damaged, ModelFile(damaged)) as opened:
        with capture_logs() as entries:
            assert await opened.share() == 1
    assert [entry["event"] for entry in entries] == ["codesearch.model_damaged"]


async def test_a_damaged_file_is_made_anew_once_for_all(
    damaged: Path, make_count: Callable[[], int]
) -> None:
    """Who began to load it before, and fails after, takes the one that is there by then."""
    file = ModelFile(damaged)
    mended = asyncio.Event()

    async def load_slowly(path: Path) -> Path:
        if not mended.is_set():
            await mended.wait()
            raise ModelDamagedError("it was damaged when it was read")
        return path

    slow = asyncio.create_task(file.load(load_slowly))
    embedders = [ModelEmbedder(file) for _ in range(2)]
    vectors = await asyncio.gather(*(each.embed("price", is_code=False) for each in embedders))
    assert not any(vector is None for vector in vectors)
    mended.set()
    assert await slow == await file.path()
    assert make_count() == 1


async def test_what_cannot_be_mended_leaves_words_alone(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    run_for_python: Callable[[str], None],
    embedding: Any,
) -> None:
    """Once a minute the file is made anew, whoever asks for it, and no user fails."""
    log = tmp_path_factory.mktemp("log") / "made"
    run_for_python(f'case $3 in *.integer_model) echo bad | tee -a "{log}" > "$5"; exit;; esac')
    now = [0.0]
    file = ModelFile(tmp_path, clock=lambda: now[0])
    embedder = ModelEmbedder(file)
    async with embedding(tmp_path, file) as opened:
        assert await embedder.embed("price", is_code=False) is None
        assert await opened.share() == 0
        assert log.read_text().split() == ["bad"] * 2
        now[0] = 60.0
        assert await opened.share() == 0
        assert await embedder.embed("price", is_code=False) is None
        assert log.read_text().split() == ["bad"] * 3


async def test_a_failure_that_passes_is_forgotten_after_a_minute(
    tmp_path: Path, embedding: Any
) -> None:
    """It is told once; until then there are words alone, then both users have their model."""
    now = [0.0]
    folder = tmp_path / "full"
    file = ModelFile(folder, clock=lambda: now[0])
    embedder = ModelEmbedder(file)
    async with embedding(tmp_path, file) as opened:
        with capture_logs() as entries:
            assert await embedder.embed("price", is_code=False) is None
            folder.mkdir()
            now[0] = 59.0
            assert await embedder.embed("price", is_code=False) is None
            assert await opened.share() == 0
        assert [entry["event"] for entry in entries] == ["codesearch.no_model"]
        assert not embedder.is_loaded
        now[0] = 60.0
        assert await opened.share() == 1
        assert await embedder.embed("price", is_code=False) is not None


async def test_a_model_that_is_not_installed_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told once, however many searches come and however late."""
    now = [0.0]
    embedder = ModelEmbedder(ModelFile(tmp_path, clock=lambda: now[0]))
    with capture_logs() as entries, monkeypatch.context() as patch:
        patch.setattr(model_file, "PACKAGE", "no_such_package")
        assert await embedder.embed("price", is_code=False) is None
    now[0] = 1e9
    with capture_logs() as later:
        assert await embedder.embed("price", is_code=False) is None
    assert [entry["event"] for entry in entries] == ["codesearch.no_model"]
    assert later == []
