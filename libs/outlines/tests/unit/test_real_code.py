"""Outlines of code that others wrote, and of code that was damaged."""

import random
import re
import sysconfig
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from toolmesh_outlines.extraction import extract_outline
from toolmesh_outlines.languages import LANGUAGES, assign_languages
from toolmesh_outlines.outline import decode_outline
from toolmesh_outlines.worker_job import Job
from toolmesh_outlines.worker_pool import WorkerPool

_INSTALLED = Path(sysconfig.get_path("purelib"))
_SAMPLES = Path(__file__).parent / "samples"

# What begins at the margin is a definition in these, and easy to see without a parser.
_AT_THE_MARGIN = {
    "python": re.compile(r"^(?:class|def|async def) (\w+)[(:]", re.MULTILINE),
    "protobuf": re.compile(r"^(?:message|enum|service) (\w+)", re.MULTILINE),
}


@pytest.mark.parametrize(
    ("language", "folder", "pattern"),
    [
        ("python", "structlog", "*.py"),
        ("python", "grpc", "*.py"),
        ("protobuf", "google", "*.proto"),
        ("protobuf", "grpc_tools", "*.proto"),
    ],
)
def test_installed_packages(language: str, folder: str, pattern: str) -> None:
    """Nothing that stands at the margin of a real file is missed, and hardly a file is empty."""
    files = sorted((_INSTALLED / folder).rglob(pattern))
    assert len(files) > 10
    without = 0
    for file in files:
        source = file.read_bytes()
        outline = extract_outline(source, language)
        names = {definition.name for definition in outline.definitions}
        written = set(_AT_THE_MARGIN[language].findall(source.decode()))
        assert written - names == set(), file
        without += not names
    assert without < len(files) / 4


_JUNK = [
    b"(",
    b"}",
    b"{",
    b'"',
    b"'",
    b"`",
    b"/*",
    b"<",
    b"#",
    b"$(",
    b"end\n",
    b'"""',
    b"do\n",
    b"\n",
]


def _damaged(source: bytes, chance: random.Random) -> bytes:
    """Return `source` as an editor, a merge or a broken transfer may leave it."""
    start = chance.randrange(len(source))
    end = min(len(source), start + chance.randrange(1, 400))
    match chance.randrange(4):
        case 0:
            return source[:start]
        case 1:
            return source[:start] + source[end:]
        case 2:
            return source[:start] + source[start:end] * 20 + source[end:]
        case _:
            junk = chance.choice(_JUNK) * chance.choice([1, 30, 500])
            return source[:start] + junk + source[start:]


@pytest.fixture
async def pool() -> AsyncGenerator[WorkerPool]:
    """One worker with the limits of a service."""
    pool = WorkerPool(max_workers=1, max_memory_bytes=2**30, file_seconds=20, idle_timeout=60)
    yield pool
    await pool.close()


async def test_damaged_code_has_an_outline(pool: WorkerPool) -> None:
    """Whatever is cut out of or put into a file, no grammar crashes or hangs on it."""
    chance = random.Random(20)  # the same damage each time
    seen: set[str] = set()
    for sample in sorted(_SAMPLES.glob("*.txt")):
        name = sample.name.removesuffix(".txt")
        if name.endswith(".outline"):
            continue
        language = assign_languages([name])[name].name
        seen.add(language)
        for _ in range(6):
            damaged = _damaged(sample.read_bytes(), chance)
            (answer,) = await pool.extract([Job(language, damaged)])
            outline = decode_outline(answer)
            assert outline.skipped in {"", "not UTF-8"}, damaged
    assert seen == {language.name for language in LANGUAGES}
