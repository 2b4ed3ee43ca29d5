"""The model that is run says about the same as the installed one."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from toolmesh_codesearch import embedding_model, model_file
from toolmesh_codesearch.embedding_model import EmbeddingModel
from toolmesh_codesearch.integer_model import in_integers
from toolmesh_codesearch.model_file import ModelFile

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
