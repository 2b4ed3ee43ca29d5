"""The model that is run says about the same as the installed one, and comes about by itself."""

import asyncio
import os
import sys
from glob import glob
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from toolmesh_codesearch import embedding_model, model_file
from toolmesh_codesearch.embedding_model import EmbeddingModel
from toolmesh_codesearch.integer_model import in_integers
from toolmesh_codesearch.model_file import ModelFile, ModelMissingError
from toolmesh_codesearch.query_embedding import ModelEmbedder

_TEXTS = [
    "where is the user's session checked?",
    "def total_price(items):\n    return sum(item.price for item in items)\n",
    "export async function fetchWithBackoff(url: string) {\n  await sleep(2 ** i)\n}\n",
    "x",
    Path(embedding_model.__file__).read_text(),
]


async def test_integers_give_about_the_same_embeddings(tmp_path: Path) -> None:
    """Of questions and of code, alone and together with longer ones."""
    spec = model_file.find_spec(model_file.PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    installed = EmbeddingModel(Path(spec.origin).with_name("model.onnx"), threads=1)
    made = EmbeddingModel(await ModelFile(tmp_path).path(), threads=1)
    expected = installed.embed(_TEXTS)
    together = made.embed(_TEXTS)
    alone = np.concatenate([made.embed([text]) for text in _TEXTS])
    # One letter beside 256 tokens is the worst that can be: the range is that of all.
    assert (together * expected).sum(axis=1).min() > 0.97
    assert (alone * expected).sum(axis=1).min() > 0.98
    # What texts say of each other is kept, too.
    assert np.abs(alone @ alone.T - expected @ expected.T).max() < 0.05


async def test_it_is_made_once(tmp_path: Path) -> None:
    """Whoever asks at the same time, or later, gets the same file, and nothing else is left."""
    file = ModelFile(tmp_path)
    paths = await asyncio.gather(*(file.path() for _ in range(3)), ModelFile(tmp_path).path())
    made = paths[0].stat().st_mtime_ns
    assert set(paths) == {await ModelFile(tmp_path).path()} == set(map(Path, glob(f"{tmp_path}/*")))
    assert paths[0].stat().st_mtime_ns == made


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


def test_a_model_in_floats_stays_as_it_is() -> None:
    """There is nothing in it to calculate with."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [2, 2], [1.0, 2.0, 3.0, 4.0])
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    model = helper.make_model(helper.make_graph([node], "g", [value], [made], [weight]))
    before = model.SerializeToString()
    assert in_integers(model) == 0
    assert model.SerializeToString() == before
    onnx.checker.check_model(model)
