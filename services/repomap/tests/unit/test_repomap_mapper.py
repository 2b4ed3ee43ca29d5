"""Maps of whole snapshots: what is parsed, kept, skipped and refused."""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from toolmesh_outlines.outline_cache import OutlineCache
from toolmesh_outlines.outliner import Outliner
from toolmesh_outlines.worker_pool import WorkerPool
from toolmesh_repomap.errors import FocusPathUnknown
from toolmesh_repomap.index_keeper import IndexKeeper
from toolmesh_repomap.index_store import IndexStore
from toolmesh_repomap.indexing import Indexer
from toolmesh_repomap.mapper import RepositoryMapper
from toolmesh_serving.tokens import count_tokens

SnapshotOf = Callable[..., Any]

_MAX_FILE_BYTES = 100_000

_SHOP = {
    "shop/__init__.py": b"",
    "shop/money.py": b"class Amount:\n    def plus_tax(self, rate):\n        return self\n",
    "shop/cart.py": b"""from shop.money import Amount

def sum_up(items):
    return Amount(items)
""",
    "shop/web.py": b"""from shop.cart import sum_up

def show(items):
    return sum_up(items).plus_tax(1)
""",
    "README.md": b"# Shop\n",
}


@pytest.fixture
async def pool() -> AsyncGenerator[WorkerPool]:
    """A pool of two workers."""
    pool = WorkerPool(max_workers=2, max_memory_bytes=2**30, file_seconds=60, idle_timeout=60)
    yield pool
    await pool.close()


class _Mappers:
    """Makes mappers that share a pool and a cache, as restarts of one service do."""

    def __init__(self, pool: WorkerPool, path: Path) -> None:
        self._pool = pool
        self.cache = OutlineCache(path / "outlines.sqlite", max_bytes=2**26)
        self.folder = path / "indexes"
        self._keeper: IndexKeeper | None = None

    async def lose_indexes(self) -> None:
        await self.stop()
        shutil.rmtree(self.folder)

    async def stop(self) -> None:
        if self._keeper is not None:
            await self._keeper.close()

    async def start(self, *, kept_files: int = 1000) -> RepositoryMapper:
        await self.stop()
        keeper = IndexKeeper(
            Indexer(Outliner(self._pool, self.cache, max_file_bytes=_MAX_FILE_BYTES)),
            IndexStore(self.folder, max_bytes=2**26, max_file_bytes=_MAX_FILE_BYTES),
            kept_files=kept_files,
            idle_seconds=900,
        )
        self._keeper = keeper
        return RepositoryMapper(keeper, count_tokens=count_tokens)


@pytest.fixture
async def mappers(pool: WorkerPool, tmp_path: Path) -> AsyncGenerator[_Mappers]:
    """Mappers over one cache."""
    mappers = _Mappers(pool, tmp_path)
    yield mappers
    await mappers.stop()
    mappers.cache.close()


async def test_maps_a_tree(mappers: _Mappers, snapshot_of: SnapshotOf) -> None:
    """The whole of a small tree fits into a large budget."""
    drawn = await (await mappers.start()).map(snapshot_of(_SHOP), max_tokens=1_000_000)
    assert drawn.text == (
        "shop/money.py:\n"
        "1 class Amount\n"
        "2   def plus_tax(self, rate)\n"
        "\n"
        "shop/cart.py:\n"
        "3 def sum_up(items)\n"
        "\n"
        "shop/web.py:\n"
        "3 def show(items)\n"
        "\n"
        "README.md\n"
        "shop/__init__.py"
    )
    assert not drawn.truncated
    assert drawn.token_count == count_tokens(drawn.text)
    assert drawn.shown_file_count == 5
    assert drawn.stats.file_count == 5
    assert drawn.stats.source_file_count == 4
    assert drawn.stats.parsed_file_count == 3
    assert drawn.stats.definition_count == 4
    assert drawn.stats.reference_count > 0


async def test_only_changed_contents_are_read_and_parsed(
    mappers: _Mappers, snapshot_of: SnapshotOf
) -> None:
    """A second map parses nothing; after an edit and a copy, only the edited file."""
    mapper = await mappers.start()
    await mapper.map(snapshot_of(_SHOP), max_tokens=100)
    again = snapshot_of(_SHOP)
    drawn = await mapper.map(again, max_tokens=100)
    assert (drawn.stats.parsed_file_count, again.read) == (0, [])

    edited = b"def brand_new_function():\n    pass\n"
    changed = snapshot_of({**_SHOP, "shop/web.py": edited, "copy/money.py": _SHOP["shop/money.py"]})
    drawn = await mapper.map(changed, max_tokens=1000)
    assert drawn.stats.parsed_file_count == 1
    assert changed.read == [hashlib.sha256(edited).digest()]
    assert "def brand_new_function()" in drawn.text
    assert "copy/money.py:" in drawn.text


async def test_many_files(mappers: _Mappers, snapshot_of: SnapshotOf) -> None:
    """Files beyond what is parsed at once, and kept at once, are all there in the end."""
    files = {f"m{i}.py": b"def function_%d(): pass\n" % i for i in range(600)}
    drawn = await (await mappers.start()).map(snapshot_of(files), max_tokens=1_000_000)
    assert drawn.stats.parsed_file_count == 600
    assert drawn.text.count("def function_") == 600
    drawn = await (await mappers.start()).map(snapshot_of(files), max_tokens=100)
    assert drawn.stats.parsed_file_count == 0


async def test_a_restart_finds_what_was_parsed(mappers: _Mappers, snapshot_of: SnapshotOf) -> None:
    """What was parsed once is not parsed again by the next process."""
    first = await (await mappers.start()).map(snapshot_of(_SHOP), max_tokens=100)
    tree = snapshot_of(_SHOP)
    second = await (await mappers.start()).map(tree, max_tokens=100)
    assert (second.stats.parsed_file_count, tree.read) == (0, [])
    assert second.text == first.text


async def test_outlines_that_cannot_be_decoded_are_made_anew(
    mappers: _Mappers, snapshot_of: SnapshotOf
) -> None:
    """Garbage in the cache costs the time to parse, and no wrong map."""
    first = await (await mappers.start()).map(snapshot_of(_SHOP), max_tokens=100)
    keys = [(file.digest, "python") for file in snapshot_of(_SHOP)]
    mappers.cache.put_many(dict.fromkeys(mappers.cache.get_many(keys), b"\xc1garbage"))
    await mappers.lose_indexes()
    second = await (await mappers.start()).map(snapshot_of(_SHOP), max_tokens=100)
    assert second.stats.parsed_file_count == 3
    assert second.text == first.text
    await mappers.lose_indexes()
    third = await (await mappers.start()).map(snapshot_of(_SHOP), max_tokens=100)
    assert third.stats.parsed_file_count == 0


async def test_bad_files_cost_themselves_alone(mappers: _Mappers, snapshot_of: SnapshotOf) -> None:
    """Every kind of bad file is named with its reason, and the rest is mapped."""
    bad = {
        "bad/latin.py": "x = 'é'\n".encode("latin-1"),
        "bad/zero.py": b"x = '\0'\n",
        "bad/minified.js": b"a=1;" * 20_000,
        "bad/deep.py": b"x = " + b"(\n" * 10_000 + b")\n" * 10_000,
        "bad/large.py": b"def f(): pass\n" * 10_000,
        "bad/line.js": b"b=2;" * 1_250_000,
    }
    drawn = await (await mappers.start()).map(snapshot_of({**_SHOP, **bad}), max_tokens=1000)
    assert {file.path: file.reason for file in drawn.skipped} == {
        "bad/latin.py": "not UTF-8",
        "bad/zero.py": "binary",
        "bad/deep.py": "nested too deep",
        "bad/large.py": "too large",
        "bad/line.js": "too large",
    }
    assert "class Amount" in drawn.text
    assert "bad/latin.py" in drawn.text
    assert drawn.stats.source_file_count == 10


async def test_too_large_files_are_not_even_read(
    mappers: _Mappers, snapshot_of: SnapshotOf
) -> None:
    """A file over the limit, and one in no known language, are never fetched."""
    tree = snapshot_of({"large.py": b"x = 1\n" * 50_000, "data.bin": b"1" * 10})
    await (await mappers.start()).map(tree, max_tokens=100)
    assert tree.read == []


async def test_focus_and_mentions_steer(mappers: _Mappers, snapshot_of: SnapshotOf) -> None:
    """What a focus file uses, and a mentioned definition, come first."""
    files = {
        "hub.py": b"def load_config(): pass\n",
        "rare.py": b"def save_report(): pass\n",
        "last.py": b"from rare import save_report\n\nsave_report()\n",
        **{
            f"user{i}.py": b"from hub import load_config\nload_config()\n#%d\n" % i
            for i in range(5)
        },
    }
    mapper = await mappers.start()
    budget = 14

    async def first_path(**steer: Any) -> str:
        drawn = await mapper.map(snapshot_of(files), max_tokens=budget, **steer)
        return drawn.text.partition(":")[0]

    assert await first_path() == "hub.py"
    assert await first_path(focus_paths=["last.py"]) == "rare.py"
    assert await first_path(mentioned_names=["save_report", "nothing_at_all"]) == "rare.py"


async def test_unknown_focus_paths_are_refused(mappers: _Mappers, snapshot_of: SnapshotOf) -> None:
    """A focus path that is no file is named as the field that it is."""
    focus = ["shop/web.py", "shop/none.py", "../etc/passwd", "README.md"]
    with pytest.raises(FocusPathUnknown) as caught:
        await (await mappers.start()).map(snapshot_of(_SHOP), max_tokens=100, focus_paths=focus)
    fields = [violation.field for violation in caught.value.field_violations]
    assert fields == ["focus_paths[1]", "focus_paths[2]"]


async def test_empty_tree(mappers: _Mappers, snapshot_of: SnapshotOf) -> None:
    """A snapshot without files has an empty map, and nothing is missing from it."""
    drawn = await (await mappers.start()).map(snapshot_of({}), max_tokens=100)
    assert (drawn.text, drawn.token_count, drawn.truncated) == ("", 0, False)


async def test_a_tree_without_code_is_a_list_of_paths(
    mappers: _Mappers, snapshot_of: SnapshotOf
) -> None:
    """When nothing is in a known language, the map names the files."""
    tree = snapshot_of({"notes/b.txt": b"b", "a.txt": b"a"})
    drawn = await (await mappers.start()).map(tree, max_tokens=100)
    assert drawn.text == "a.txt\nnotes/b.txt"


async def test_many_callers_parse_once(mappers: _Mappers, snapshot_of: SnapshotOf) -> None:
    """Of callers who ask for the same snapshot at once, one does the work for all."""
    mapper = await mappers.start()
    trees = [snapshot_of(_SHOP) for _ in range(5)]
    drawn = await asyncio.gather(*(mapper.map(tree, max_tokens=100) for tree in trees))
    assert sum(each.stats.parsed_file_count for each in drawn) == 3
    assert len({each.text for each in drawn}) == 1


async def test_a_caller_who_leaves_does_not_stop_the_next(
    mappers: _Mappers, snapshot_of: SnapshotOf
) -> None:
    """When the caller who parses gives up, the next one in line goes on."""
    mapper = await mappers.start()
    first = asyncio.create_task(mapper.map(snapshot_of(_SHOP), max_tokens=100))
    second = asyncio.create_task(mapper.map(snapshot_of(_SHOP), max_tokens=100))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).text


async def test_kept_indexes_are_bounded(mappers: _Mappers, snapshot_of: SnapshotOf) -> None:
    """Snapshots that were not asked for lately are read from the cache again."""
    mapper = await mappers.start(kept_files=5)
    other = {"other.py": b"def other_thing(): pass\n", **_SHOP}
    await mapper.map(snapshot_of(_SHOP), max_tokens=100)
    await mapper.map(snapshot_of(other), max_tokens=100)
    drawn = await mapper.map(snapshot_of(_SHOP), max_tokens=100)
    assert drawn.stats.parsed_file_count == 0


async def test_a_failing_read_fails_the_map(mappers: _Mappers, snapshot_of: SnapshotOf) -> None:
    """What the snapshot raises reaches the caller as it is, and the next call works."""

    async def fail(number: int) -> None:
        if number:
            raise ConnectionResetError("gone")

    mapper = await mappers.start()
    with pytest.raises(ConnectionResetError):
        await mapper.map(snapshot_of(_SHOP, before_content=fail), max_tokens=100)
    assert (await mapper.map(snapshot_of(_SHOP), max_tokens=100)).text
