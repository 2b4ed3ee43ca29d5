"""Texts that cannot be embedded now are embedded later, and nothing is tried without end."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from toolmesh_codesearch.meanings import Meanings
from toolmesh_codesearch.model_file import ModelFile


async def test_texts_that_end_a_process_are_tried_again_later(
    tmp_path: Path, embedding: Any, run_for_python: Callable[[str], None]
) -> None:
    """They may have done nothing wrong: a process also ends for want of memory."""
    once = tmp_path / "once"
    run_for_python(
        f'case $3 in *.embedding_worker) [ -e "{once}" ] ||'
        f' {{ touch "{once}"; printf "\\000\\000\\000\\000"; exit; }};; esac'
    )
    async with embedding(tmp_path, ModelFile(tmp_path)) as opened:
        with capture_logs() as entries:
            assert await opened.share() == 0
            opened.clock[0] = 599.0
            assert await opened.share() == 0
            opened.clock[0] = 600.0
            assert await opened.share() == 1
    assert [entry["event"] for entry in entries] == ["codesearch.embedding_failed"]


async def test_texts_that_the_store_let_go_of_are_embedded_when_they_are_back(
    tmp_path: Path, embedding: Any
) -> None:
    """What they were read from is forgotten as well, so the next index brings them back."""
    async with embedding(tmp_path, ModelFile(tmp_path)) as opened:
        with closing(sqlite3.connect(tmp_path / "index.sqlite")) as store, store:
            kept = store.execute("SELECT * FROM waiting_texts").fetchall()
            store.execute("DELETE FROM waiting_texts")
        with capture_logs() as entries:
            assert await opened.share() == 0
        assert [entry["event"] for entry in entries] == ["codesearch.texts_lost"]
        with closing(sqlite3.connect(tmp_path / "index.sqlite")) as store, store:
            assert store.execute("SELECT count(*) FROM parts").fetchone() == (0,)
            store.executemany(
                f"INSERT INTO waiting_texts VALUES ({', '.join('?' * len(kept[0]))})", kept
            )

        assert await opened.share() == 0
        opened.clock[0] = 600.0
        assert await opened.share() == 1


@pytest.mark.parametrize("works", [True, False])
async def test_whoever_waits_gets_what_can_be_made(
    tmp_path: Path, embedding: Any, run_for_python: Callable[[str], None], works: bool
) -> None:
    """However many others want theirs, none ends before its own are there or cannot come."""
    if not works:
        run_for_python('case $3 in *.embedding_worker) printf "\\000\\000\\000\\000"; exit;; esac')
    async with embedding(tmp_path, ModelFile(tmp_path)) as opened:
        ids = opened.index.columns.text_ids
        indexes = [
            replace(opened.index, digest=str(number), meanings=Meanings(ids))
            for number in range(20)
        ]

        async def share(index: Any) -> float:
            while await opened.queue.next_batch(index):
                pass
            return index.meanings.share_ready

        for index in indexes:
            opened.queue.want(index)
        async with asyncio.timeout(60):
            shares = await asyncio.gather(*map(share, indexes))
    assert shares == [works] * 20
