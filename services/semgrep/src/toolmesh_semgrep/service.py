"""Puts the semgrep service together."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from toolmesh.semgrep.v1 import semgrep_service_pb2_grpc
from toolmesh.workspace.v1 import workspace_service_pb2_grpc
from toolmesh_semgrep.engine import Engine
from toolmesh_semgrep.engine_languages import EngineLanguages
from toolmesh_semgrep.engine_process import EngineLimits, EngineProcesses
from toolmesh_semgrep.packs import Packs
from toolmesh_semgrep.result_cache import ResultCache
from toolmesh_semgrep.rule_choice import RuleChooser
from toolmesh_semgrep.scanning import Scanner
from toolmesh_semgrep.scans import Scans
from toolmesh_semgrep.servicer import SemgrepServicer
from toolmesh_semgrep.settings import Settings
from toolmesh_serving.peers import open_peer, open_verifier
from toolmesh_serving.server import Service, Servicer
from toolmesh_serving.tokens import count_tokens
from toolmesh_workspaces.snapshot_opener import SnapshotOpener


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncGenerator[Service]:
    """Open what the service needs; the engine is started when there is work.

    It raises OSError or sqlite3.Error when the data folder cannot be used, FileNotFoundError when
    the engine is not installed, and PackUnreadableError when a rule pack is not whole.
    """
    async with AsyncExitStack() as stack:
        verifier = await stack.enter_async_context(open_verifier(settings))
        channel = await stack.enter_async_context(open_peer(settings, "workspace"))
        languages = EngineLanguages.load()
        packs = Packs.load(settings.semgrep_rules_folders, languages)
        cache = ResultCache(
            settings.data_folder / "results.sqlite", max_bytes=settings.semgrep_cache_bytes
        )
        stack.callback(cache.close)
        limits = EngineLimits(
            memory_bytes=settings.semgrep_memory_bytes, rule_seconds=settings.semgrep_rule_seconds
        )
        processes = EngineProcesses(
            limits,
            folder=settings.data_folder / "engine",
            most_at_once=settings.semgrep_processes,
        )
        engine = Engine(processes, limits, batch_seconds=settings.semgrep_batch_seconds)
        scanner = Scanner(
            engine,
            cache,
            languages,
            processes=settings.semgrep_processes,
            max_file_bytes=settings.semgrep_max_file_bytes,
            max_matches=settings.semgrep_max_matches,
        )
        chooser = RuleChooser(engine, packs, languages)
        servicer = SemgrepServicer(
            scans=Scans(
                chooser,
                scanner,
                most_at_once=settings.semgrep_scans,
                seconds=settings.semgrep_scan_seconds,
            ),
            chooser=chooser,
            packs=packs,
            languages=languages,
            snapshots=SnapshotOpener(workspace_service_pb2_grpc.WorkspaceServiceStub(channel)),
            count_tokens=count_tokens,
        )
        add = semgrep_service_pb2_grpc.add_SemgrepServiceServicer_to_server
        yield Service(name="semgrep", servicers=(Servicer(add, servicer),), verifier=verifier)
