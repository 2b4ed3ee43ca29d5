"""The process that embeds.

It speaks frames over its standard input and output: four bytes of length (big endian), then as many
bytes. The first frame it sends is empty when it is ready, and says why when the model cannot be
loaded. Each frame in is a MessagePack array of texts, each frame out their embeddings in the same
order, as rows of 8-bit integers. It ends when its input ends. Its arguments are the model's file
and how many threads it may use.
"""

import os
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec

from toolmesh_codesearch.embedding_model import EmbeddingModel
from toolmesh_codesearch.meanings import quantised
from toolmesh_codesearch.model_file import ModelDamagedError
from toolmesh_codesearch.unit_texts import cleaned
from toolmesh_serving.memory import bound_free_memory

_MOST_TOKENS = 128


def _read_frame(stream: BinaryIO) -> bytes | None:
    header = stream.read(4)
    return stream.read(int.from_bytes(header)) if len(header) == 4 else None


def _write_frame(stream: BinaryIO, data: bytes) -> None:
    stream.write(len(data).to_bytes(4) + data)
    stream.flush()


def main() -> None:
    """Answer frames until the input ends."""
    bound_free_memory()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # What a library prints must not end up between the frames.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    file, threads = sys.argv[1:]
    try:
        model = EmbeddingModel(Path(file), threads=int(threads), most_tokens=_MOST_TOKENS)
    except ModelDamagedError as error:
        _write_frame(answers, str(error).encode())
        return
    decoder = msgspec.msgpack.Decoder(list[str])
    _write_frame(answers, b"")
    while (data := _read_frame(sys.stdin.buffer)) is not None:
        texts = [cleaned(text) for text in decoder.decode(data)]
        _write_frame(answers, quantised(model.embed(texts)).tobytes())


if __name__ == "__main__":
    main()
