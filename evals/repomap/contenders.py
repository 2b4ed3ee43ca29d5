"""Those who draw maps, all asked in the same way: a task's text and a budget."""

import asyncio
import re
import shutil
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from evals.repomap.aider_peer import open_aider
from evals.repomap.baselines import FileSearch, filled
from evals.repomap.mesh import Mesh, ask
from evals.repomap.prepared import Prepared
from evals.repomap.tasks import Task
from toolmesh.repomap.v1 import repomap_service_pb2 as pb

BUDGETS = (1024, 2048, 4096, 8192)
OURS, AIDER = "ours", "Aider"
BM25_OUTLINES, BM25_PATHS, PATHS = "BM25, outlines", "BM25, paths", "list of files"
Maps = dict[tuple[str, int], str]
"""Maps by the task's id and the budget."""


async def our_maps(mesh: Mesh, prepared: Prepared) -> Maps:
    """Ours, from the running service."""
    workspace = await mesh.new_workspace(prepared.repository.name)
    await mesh.push(workspace, prepared.tree)
    maps: Maps = {}
    for task in prepared.tasks:
        for budget in BUDGETS:
            request = _request(task, workspace=workspace, max_tokens=budget)
            maps[task.id, budget] = (await ask(mesh.maps, request)).map
    return maps


def _request(task: Task, *, workspace: str, max_tokens: int) -> pb.MapRequest:
    asked: dict[str, Any] = (
        {"question": task.text}
        if "question" in pb.MapRequest.DESCRIPTOR.fields_by_name
        else {"mentioned_names": sorted(set(re.findall(r"\w+", task.text)))}
    )
    return pb.MapRequest(workspace=workspace, max_tokens=max_tokens, **asked)


async def aiders_maps(prepared: Prepared) -> Maps:
    """Aider's; they are kept, since nothing that we do changes them."""
    file = prepared.folder / "aider.json"
    if file.exists():
        return {(id, budget): text for id, budget, text in orjson.loads(file.read_bytes())}
    maps: Maps = {}
    paths, log = prepared.paths(), prepared.folder / "aider.log"
    async with AsyncExitStack() as stack:
        # A copy, since Aider keeps its cache in the tree.
        tree = Path(stack.enter_context(TemporaryDirectory())) / "tree"
        await asyncio.to_thread(shutil.copytree, prepared.tree, tree)
        aider = await stack.enter_async_context(open_aider(tree, paths, log=log, rank_once=True))
        for task in prepared.tasks:
            for budget in BUDGETS:
                drawn = await aider.draw(max_tokens=budget, text=task.text)
                maps[task.id, budget] = drawn.text
    file.write_bytes(orjson.dumps([(id, budget, text) for (id, budget), text in maps.items()]))
    return maps


def baseline_maps(prepared: Prepared) -> dict[str, Maps]:
    """Those of the baselines, by name."""
    paths = prepared.paths()
    search = FileSearch(prepared.tree, paths)
    maps: dict[str, Maps] = {BM25_OUTLINES: {}, BM25_PATHS: {}, PATHS: {}}
    for task in prepared.tasks:
        ranked = search.ranked(task.text)
        for budget in BUDGETS:
            key = (task.id, budget)
            maps[BM25_OUTLINES][key] = filled(search.outlined(ranked), budget)
            maps[BM25_PATHS][key] = filled(ranked, budget)
            maps[PATHS][key] = filled(paths, budget)
    return maps
