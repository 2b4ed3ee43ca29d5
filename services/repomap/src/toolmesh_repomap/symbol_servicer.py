"""The RPCs of `SymbolService`: protos to domain and back."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from toolmesh.repomap.v1 import (
    repomap_pb2,
    symbol_pb2,
    symbol_service_pb2,
    symbol_service_pb2_grpc,
)
from toolmesh_outlines.outline import Definition
from toolmesh_repomap.answer_budget import fit_page
from toolmesh_repomap.definition_search import NameQuestion, kinds_named
from toolmesh_repomap.file_filter import FileFilter
from toolmesh_repomap.reference_reading import FoundReference, Position
from toolmesh_repomap.symbol_finder import FoundDefinition, SymbolFinder
from toolmesh_serving.answer_budget import CountTokens
from toolmesh_serving.page_tokens import Count, list_name, read_page_token, write_page_token
from toolmesh_workspaces.snapshot_opener import SnapshotOpener

_DEFAULT_TOKENS = 4096
_MOST_ITEMS = 1000
# No item has fewer tokens as JSON.
_LEAST_ITEM_TOKENS = 20


class SymbolServicer(symbol_service_pb2_grpc.SymbolServiceServicer):
    """Serves `SymbolService`."""

    def __init__(
        self, *, finder: SymbolFinder, snapshots: SnapshotOpener, count_tokens: CountTokens
    ) -> None:
        self._finder = finder
        self._snapshots = snapshots
        self._count_tokens = count_tokens

    async def FindDefinitions(
        self, request: symbol_service_pb2.FindDefinitionsRequest, context: Any
    ) -> symbol_service_pb2.FindDefinitionsResponse:
        """See the proto."""
        page = _Page.of(request)
        question = NameQuestion(
            request.name, request.ignore_case, kinds_named(request.kinds), _files(request)
        )
        snapshot = await self._snapshots.open(request.workspace, page.snapshot)
        found = await self._finder.definitions(
            snapshot, question, start=page.begin.items, most=page.most
        )
        answer = symbol_service_pb2.FindDefinitionsResponse(
            definition_count=found.count, similar_names=found.similar, snapshot=snapshot.digest
        )
        items = [_definition(definition) for definition in found.definitions]
        next_token = page.counting(found.count, snapshot.digest)
        await self._fit(answer, "definitions", items, page, next_token)
        return answer

    async def FindReferences(
        self, request: symbol_service_pb2.FindReferencesRequest, context: Any
    ) -> symbol_service_pb2.FindReferencesResponse:
        """See the proto."""
        page = _Page.of(request)
        question = NameQuestion(request.name, request.ignore_case, files=_files(request))
        snapshot = await self._snapshots.open(request.workspace, page.snapshot)
        found = await self._finder.references(
            snapshot,
            question,
            definition_path=request.definition_path,
            start=Position(page.begin.items, page.begin.parts),
            most=page.most,
        )
        answer = symbol_service_pb2.FindReferencesResponse(
            file_count=found.file_count,
            use_count=found.use_count,
            similar_names=found.similar,
            snapshot=snapshot.digest,
        )

        def next_token(shown: int) -> str:
            if found.is_last and shown == len(found.references):
                return ""
            behind = Position(page.begin.items, page.begin.parts)
            if shown:
                behind = found.references[shown - 1].following
            return page.behind(behind.files, behind.lines, snapshot.digest)

        items = [_reference(reference) for reference in found.references]
        await self._fit(answer, "references", items, page, next_token)
        return answer

    async def GetOutline(
        self, request: symbol_service_pb2.GetOutlineRequest, context: Any
    ) -> symbol_service_pb2.GetOutlineResponse:
        """See the proto."""
        page = _Page.of(request)
        snapshot = await self._snapshots.open(request.workspace, page.snapshot)
        found = await self._finder.outline(snapshot, request.path)
        definitions = found.outline.definitions
        start = page.begin.items
        answer = symbol_service_pb2.GetOutlineResponse(
            definition_count=len(definitions),
            language=found.language,
            skipped=found.outline.skipped,
            snapshot=snapshot.digest,
        )
        items = [
            _outline_item(definition, definitions)
            for definition in definitions[start : start + page.most]
        ]
        next_token = page.counting(len(definitions), snapshot.digest)
        await self._fit(answer, "items", items, page, next_token)
        return answer

    async def _fit(
        self, answer: Any, field: str, items: Any, page: "_Page", next_token: Callable[[int], str]
    ) -> None:
        # Counting the tokens of a large page takes a tenth of a second.
        await asyncio.to_thread(
            fit_page,
            answer,
            field,
            items,
            next_page_token=next_token,
            max_tokens=page.max_tokens,
            count_tokens=self._count_tokens,
        )


class _Begin(msgspec.Struct, frozen=True, array_like=True):
    """Where a page begins, of the answer from which snapshot.

    `items` come before it, and of the next one that has parts so many `parts`.
    """

    items: Count = 0
    parts: Count = 0
    snapshot: bytes = b""


@dataclass(frozen=True, slots=True)
class _Page:
    """Which page a request asks for, of which snapshot, and how much may be on it."""

    begin: "_Begin"
    snapshot: str
    question: bytes
    max_tokens: int
    most: int

    @classmethod
    def of(cls, request: Any) -> "_Page":
        question = list_name(request)
        begin = _Begin(snapshot=bytes.fromhex(request.snapshot))
        if request.page_token:
            begin = read_page_token(request.page_token, _Begin, of=question)
        max_tokens = request.max_tokens or _DEFAULT_TOKENS
        most = min(request.page_size or _MOST_ITEMS, max_tokens // _LEAST_ITEM_TOKENS + 1)
        return cls(begin, begin.snapshot.hex(), question, max_tokens, most)

    def behind(self, items: int, parts: int, snapshot: str) -> str:
        """Return the token of the page that begins behind so much."""
        begin = _Begin(items, parts, bytes.fromhex(snapshot))
        return write_page_token(begin, of=self.question)

    def counting(self, count: int, snapshot: str) -> Callable[[int], str]:
        """Return what gives the next page's token for a list of so many items in all."""

        def next_token(shown: int) -> str:
            end = self.begin.items + shown
            return self.behind(end, 0, snapshot) if end < count else ""

        return next_token


def _files(request: Any) -> FileFilter:
    return FileFilter(include=request.include, exclude=request.exclude, languages=request.languages)


def _definition(found: FoundDefinition) -> symbol_pb2.Definition:
    return symbol_pb2.Definition(
        path=found.path,
        start_line=found.start_line,
        end_line=found.end_line,
        name=found.name,
        kind=found.kind,
        container=found.container,
        signature=found.signature,
        doc=found.doc,
        role=repomap_pb2.FileRole.Value(f"FILE_ROLE_{found.role.name}"),
        used_by_file_count=found.used_by_file_count,
    )


def _reference(found: FoundReference) -> symbol_pb2.Reference:
    return symbol_pb2.Reference(
        path=found.path,
        line=found.line.line,
        text=found.line.text,
        basis=symbol_pb2.ReferenceBasis.Value(f"REFERENCE_BASIS_{found.basis.name}"),
        definition_path=found.definition_path,
    )


def _outline_item(
    definition: Definition, definitions: tuple[Definition, ...]
) -> symbol_pb2.OutlineItem:
    outer: list[str] = []
    parent = definition.parent
    while parent >= 0:
        outer.append(definitions[parent].name)
        parent = definitions[parent].parent
    return symbol_pb2.OutlineItem(
        start_line=definition.line,
        end_line=definition.end_line,
        name=definition.name,
        kind=definition.kind,
        container=".".join(reversed(outer)),
        signature=definition.signature,
        doc=definition.doc,
    )
