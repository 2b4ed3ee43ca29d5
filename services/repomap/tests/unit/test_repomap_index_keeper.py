"""Indexes that are kept in memory and on disk, and made from each other."""

import hashlib
import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from toolmesh_outlines.outline_cache import OutlineCache
from toolmesh_outlines.outliner import Outliner, Progress
from toolmesh_outlines.worker_pool import WorkerPool
from toolmesh_repomap.index_keeper import IndexKeeper
from toolmesh_repomap.index_store import IndexStore
from toolmesh_repomap.indexing import Indexer, SnapshotIndex


@dataclass(frozen=True)
class _File:
    path: str
    digest: bytes
    size_bytes: int


class _Tree:
    """A snapshot in memory."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self.contents = dict(sorted(contents.items()))
        self._by_digest = {hashlib.sha256(data).digest(): data for data in contents.values()}

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr(self.contents).encode()).hexdigest()

    def __iter__(self) -> Iterator[_File]:
        for path, data in self.contents.items():
            yield _File(path, hashlib.sha256(data).digest(), len(data))

    async def read_many(self, digests: Iterable[bytes]) -> AsyncIterator[tuple[bytes, bytes]]:
        for digest in digests:
            yield digest, self._by_digest[digest]


def _random_tree(dice: random.Random, count: int) -> dict[str, bytes]:
    return {f"p{n % 4}/mod{n}.py": _random_module(dice, count) for n in range(count)}


def _random_module(dice: random.Random, count: int) -> bytes:
    lines: list[str] = []
    for _ in range(dice.randrange(4)):
        other = dice.randrange(count)
        lines.append(f"from p{other % 4}.mod{other} import run_{dice.randrange(60)}")
    for _ in range(dice.randrange(1, 4)):
        uses = " + ".join(f"run_{dice.randrange(60)}()" for _ in range(dice.randrange(1, 5)))
        lines.append(f"class Thing{dice.randrange(60)}:\n    def run_{dice.randrange(60)}(self):")
        lines.append(f"        return {uses}")
        lines.append(f"def run_{dice.randrange(60)}():\n    return {uses}")
    return "\n".join(lines).encode()


class _Keepers:
    """Opens keepers over one folder, as restarts of one service do."""

    def __init__(self, folder: Path, pool: WorkerPool) -> None:
        self.folder = folder
        self.cache = OutlineCache(folder / "outlines.sqlite", max_bytes=2**26)
        self.indexer = Indexer(Outliner(pool, self.cache, max_file_bytes=2**20))
        self._keeper: IndexKeeper | None = None

    async def restart(self, *, max_bytes: int = 2**26) -> IndexKeeper:
        await self.stop()
        store = IndexStore(self.folder / "indexes", max_bytes=max_bytes)
        self._keeper = IndexKeeper(self.indexer, store, kept_files=10_000, idle_seconds=900)
        return self._keeper

    async def stop(self) -> None:
        if self._keeper is not None:
            await self._keeper.close()

    def files(self) -> list[Path]:
        return list((self.folder / "indexes").glob("*.npz"))


@pytest.fixture
async def keepers(tmp_path: Path) -> AsyncGenerator[_Keepers]:
    """Keepers over one folder and a pool of two workers."""
    pool = WorkerPool(max_workers=2, max_memory_bytes=2**30, file_seconds=60, idle_timeout=60)
    keepers = _Keepers(tmp_path, pool)
    yield keepers
    await keepers.stop()
    keepers.cache.close()
    await pool.close()


def _says(index: SnapshotIndex) -> tuple[object, ...]:
    """All that an index says, whatever its numbers are."""
    corpus, columns, graph = index.corpus, index.corpus.columns, index.graph
    names = corpus.symbols.texts(range(len(corpus.symbols)))
    edges = sorted(
        (
            row,
            names[graph.place_symbols[graph.edge_places[edge]]],
            graph.place_rows.item(graph.edge_places[edge]),
            round(graph.edge_weights.item(edge), 4),
        )
        for row in range(corpus.file_count)
        for edge in range(graph.edge_first[row], graph.edge_first[row + 1])
    )
    definitions = [
        (names[symbol], kind, line, end, corpus.signature(place), corpus.around(place))
        for place, (symbol, kind, line, end) in enumerate(
            zip(
                columns.definition_symbol.tolist(),
                columns.definition_kind.tolist(),
                columns.definition_line.tolist(),
                columns.definition_end_line.tolist(),
                strict=True,
            )
        )
    ]
    return corpus.paths, corpus.roles.tolist(), corpus.skipped, definitions, edges


@pytest.mark.parametrize("seed", range(4))
async def test_an_index_says_the_same_whatever_it_is_made_from(
    keepers: _Keepers, seed: int
) -> None:
    """After edits, new files and removals, the index is that of a first look at the tree."""
    dice = random.Random(seed)
    keeper = await keepers.restart()
    contents = _random_tree(dice, 40)
    contents["p1/bad.py"] = b"x = '\xff'"
    await keeper.index(_Tree(contents))
    for _ in range(4):
        for path in dice.sample(sorted(contents), dice.randrange(3)):
            contents[path] = _random_module(dice, 40)
        if dice.random() < 0.5:
            del contents[dice.choice(sorted(contents))]
            contents[f"p2/new{dice.randrange(99)}.py"] = _random_module(dice, 40)
        made, _ = await keeper.index(_Tree(contents))
        fresh = (await keepers.indexer.index(_Tree(contents))).index
        assert _says(made) == _says(fresh)


async def test_a_restart_reads_the_index_alone(keepers: _Keepers) -> None:
    """What is on disk is neither parsed nor read from outlines again, and says the same."""
    tree = _Tree(_random_tree(random.Random(1), 30))
    first, _ = await (await keepers.restart()).index(tree)
    keeper = await keepers.restart()
    keepers.cache.close()
    again, parsed = await keeper.index(tree)
    assert parsed == 0
    assert _says(again) == _says(first)


async def test_after_a_restart_an_edit_costs_one_file(keepers: _Keepers) -> None:
    """An index on disk is the base of the next snapshot's."""
    contents = _random_tree(random.Random(2), 30)
    await (await keepers.restart()).index(_Tree(contents))
    keeper = await keepers.restart()
    told: list[Progress] = []
    edited = _Tree({**contents, "p0/mod0.py": b"def brand_new(): pass\n"})
    index, parsed = await keeper.index(edited, on_progress=told.append)
    assert parsed == 1
    assert told[-1] == Progress(done_file_count=1, total_file_count=1, parsed_file_count=1)
    assert _says(index) == _says((await keepers.indexer.index(edited)).index)


async def test_progress_is_told(keepers: _Keepers) -> None:
    """The first index of a tree tells how far it is, up to the last file."""
    told: list[Progress] = []
    tree = _Tree({f"m{n}.py": b"def f_%d(): pass" % n for n in range(600)} | {"a.txt": b"a"})
    await (await keepers.restart()).index(tree, on_progress=told.append)
    assert [progress.total_file_count for progress in told] == [601] * len(told)
    assert len(told) > 2
    done = [progress.done_file_count for progress in told]
    assert done == sorted(done)
    assert told[-1] == Progress(done_file_count=601, total_file_count=601, parsed_file_count=600)


@pytest.mark.parametrize("damage", [b"", b"no archive", b"PK\x03\x04" + b"\0" * 500])
async def test_a_damaged_index_is_made_anew(keepers: _Keepers, damage: bytes) -> None:
    """Whatever is in the file, it costs time and no wrong answer."""
    tree = _Tree(_random_tree(random.Random(3), 10))
    first, _ = await (await keepers.restart()).index(tree)
    await keepers.stop()
    (path,) = keepers.files()
    path.write_bytes(damage)
    again, parsed = await (await keepers.restart()).index(tree)
    assert parsed == 0
    assert _says(again) == _says(first)


async def test_a_flipped_byte_is_noticed(keepers: _Keepers) -> None:
    """An index whose arrays were changed on disk is not used."""
    tree = _Tree(_random_tree(random.Random(4), 10))
    first, _ = await (await keepers.restart()).index(tree)
    await keepers.stop()
    (path,) = keepers.files()
    whole = path.read_bytes()
    for at in range(0, len(whole), 997):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        again, _ = await (await keepers.restart()).index(tree)
        assert _says(again) == _says(first)
        await keepers.stop()


async def test_the_folder_stays_within_its_bounds(keepers: _Keepers) -> None:
    """The longest unused indexes go when there is no room for all."""
    dice = random.Random(5)
    keeper = await keepers.restart(max_bytes=200_000)
    for _ in range(12):
        await keeper.index(_Tree(_random_tree(dice, 20)))
    await keepers.stop()
    assert 1 < len(keepers.files()) < 12
    assert sum(path.stat().st_size for path in keepers.files()) <= 200_000


async def test_what_another_version_left_is_removed(keepers: _Keepers) -> None:
    """Files that this version cannot read do not fill the disk."""
    folder = keepers.folder / "indexes"
    folder.mkdir()
    (folder / "abc.0123.npz").write_bytes(b"old")
    (folder / "abc.99.part").write_bytes(b"cut off")
    await keepers.restart()
    assert list(folder.iterdir()) == []
