"""Embeds queries, in this process: a batch under way elsewhere must not make a search wait."""

import asyncio
import contextlib

import numpy as np
from numpy.typing import NDArray

from toolmesh_codesearch.embedding_model import EmbeddingModel
from toolmesh_codesearch.model_file import ModelFile, ModelMissingError

_MOST_CHARACTERS = 4000
# The model was made to compare sentences. Those that stand in code are comments.
_AS_COMMENT = "# "


class ModelEmbedder:
    """Loads the model when it is first needed; without a model, there are no embeddings."""

    def __init__(self, file: ModelFile | None) -> None:
        self._file = file
        self._model: EmbeddingModel | None = None
        self._loading = asyncio.Lock()

    @property
    def is_loaded(self) -> bool:
        """Whether there is a model that need not be loaded first."""
        return self._model is not None

    async def embed(self, text: str, *, is_code: bool) -> NDArray[np.float32] | None:
        """Return a vector of length 1 for code or for a question about it; None without a model."""
        async with self._loading:
            if self._model is None and self._file is not None:
                with contextlib.suppress(ModelMissingError):  # the log has it
                    self._model = await self._file.load(
                        lambda path: asyncio.to_thread(EmbeddingModel, path, threads=1)
                    )
        if self._model is None:
            return None
        text = text[:_MOST_CHARACTERS]
        given = text if is_code else _AS_COMMENT + text
        (vector,) = await asyncio.to_thread(self._model.embed, [given])
        return vector
