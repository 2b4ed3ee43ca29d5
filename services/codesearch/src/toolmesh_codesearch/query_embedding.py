"""Embeds queries, in this process: a batch under way elsewhere must not make a search wait."""

import asyncio

import numpy as np
import structlog
from numpy.typing import NDArray

from toolmesh_codesearch.embedding_model import EmbeddingModel

_log = structlog.get_logger(__name__)

_MOST_CHARACTERS = 4000


class ModelEmbedder:
    """Loads the model when it is first needed; without a model, there are no embeddings."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._model: EmbeddingModel | None = None
        self._loading = asyncio.Lock()

    async def embed(self, text: str) -> NDArray[np.float32] | None:
        """Return a vector of length 1; None when there is no model."""
        async with self._loading:
            if self._model is None and self._enabled:
                try:
                    self._model = await asyncio.to_thread(EmbeddingModel, threads=1)
                except FileNotFoundError as error:
                    _log.warning("codesearch.no_model", error=str(error))
                    self._enabled = False
        if self._model is None:
            return None
        rows = await asyncio.to_thread(self._model.embed, [text[:_MOST_CHARACTERS]])
        return rows[0]
