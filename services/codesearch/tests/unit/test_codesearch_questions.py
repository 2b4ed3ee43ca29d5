"""Questions are embedded another way than code is, and come nearer to it."""

from pathlib import Path

import numpy as np

from toolmesh_codesearch.embedding_model import EmbeddingModel
from toolmesh_codesearch.model_file import ModelFile
from toolmesh_codesearch.query_embedding import ModelEmbedder

_ANSWERS = {
    "throw away a folder and everything below it": "def rmtree(path):\n    for e in scandir(path):",
    "how long until the next try after a failure": "func backoff(n int) time.Duration {",
    "is the password of this account correct": "def check_credentials(user, secret) -> bool:",
    "put text into a fixed number of columns": "function wrapLine(s: string, width: number) {",
}


async def test_a_question_is_embedded_as_a_comment_and_code_as_it_is(tmp_path: Path) -> None:
    """A snippet is compared as the code in the index is."""
    file = ModelFile(tmp_path)
    embedder = ModelEmbedder(file)
    text = "is the session still valid?"
    model = EmbeddingModel(await file.path(), threads=1)
    code, comment = model.embed([text]), model.embed([f"# {text}"])
    snippet = await embedder.embed(text, is_code=True)
    asked = await embedder.embed(text, is_code=False)
    assert snippet is not None
    assert asked is not None
    assert snippet @ code[0] > 0.999
    assert asked @ comment[0] > 0.999
    assert asked @ code[0] < 0.99


async def test_questions_find_their_code(tmp_path: Path) -> None:
    """Each of a few questions is nearest to its own answer."""
    file = ModelFile(tmp_path)
    embedder = ModelEmbedder(file)
    codes = EmbeddingModel(await file.path(), threads=1).embed(list(_ANSWERS.values()))
    for place, question in enumerate(_ANSWERS):
        vector = await embedder.embed(question, is_code=False)
        assert vector is not None
        assert np.argmax(codes @ vector) == place
