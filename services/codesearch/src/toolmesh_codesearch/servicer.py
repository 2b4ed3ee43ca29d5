"""The codesearch service's RPCs: protos to domain and back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any

from toolmesh.codesearch.v1 import codesearch_service_pb2, codesearch_service_pb2_grpc
from toolmesh_codesearch.answer_servicer import KIND_NAMES, Answer, AnswerWriter, Page
from toolmesh_codesearch.contents import CachedSnapshot
from toolmesh_codesearch.errors import SearchInvalid
from toolmesh_codesearch.indexing import Progress
from toolmesh_codesearch.page_tokens import PageToken
from toolmesh_codesearch.preparation import Prepared, Preparer
from toolmesh_codesearch.searches import Searches, SearchSpec
from toolmesh_codesearch.selection import Filters
from toolmesh_codesearch.workspace_client import CachedSnapshotOpener
from toolmesh_serving.page_tokens import list_name
from toolmesh_serving.tokens import preparing_tokens

_DEFAULT_TOKENS = 4096
_DEFAULT_HITS = 10

_Request = codesearch_service_pb2.SearchRequest | codesearch_service_pb2.FindSimilarRequest


class CodesearchServicer(codesearch_service_pb2_grpc.CodesearchServiceServicer):
    """Serves `CodesearchService`."""

    def __init__(
        self,
        *,
        searches: Searches,
        preparer: Preparer,
        snapshots: CachedSnapshotOpener,
        writer: AnswerWriter,
    ) -> None:
        self._searches = searches
        self._preparer = preparer
        self._snapshots = snapshots
        self._writer = writer

    async def Search(
        self, request: codesearch_service_pb2.SearchRequest, context: Any
    ) -> codesearch_service_pb2.SearchResponse:
        """See the proto."""
        spec = SearchSpec(
            query=request.query,
            exact_text=request.exact_text,
            regex=request.regex,
            ignore_case=request.ignore_case,
            filters=_filters(request),
        )
        return await self._answer(codesearch_service_pb2.SearchResponse, request, spec)

    async def FindSimilar(
        self, request: codesearch_service_pb2.FindSimilarRequest, context: Any
    ) -> codesearch_service_pb2.FindSimilarResponse:
        """See the proto."""
        spec = SearchSpec(query=request.snippet, is_snippet=True, filters=_filters(request))
        return await self._answer(codesearch_service_pb2.FindSimilarResponse, request, spec)

    async def Index(
        self, request: codesearch_service_pb2.IndexRequest, context: Any
    ) -> AsyncIterator[codesearch_service_pb2.IndexResponse]:
        """See the proto."""
        snapshot = await self._snapshots.open(request.workspace, request.snapshot)
        steps = self._preparer.prepare(snapshot, words_only=request.words_only)
        async with aclosing(steps):
            async for step in steps:
                if isinstance(step, Progress):
                    yield codesearch_service_pb2.IndexResponse(progress=_progress(step))
                else:
                    yield codesearch_service_pb2.IndexResponse(summary=_summary(step))

    async def _answer(self, kind: type[Answer], request: _Request, spec: SearchSpec) -> Answer:
        name = list_name(request)
        token = PageToken(0, bytes.fromhex(request.snapshot), name)
        if request.page_token:
            token = PageToken.read(request.page_token, name)
        opening = partial(self._snapshots.open, request.workspace, token.snapshot.hex())
        find = self._searches.run
        if request.page_token:
            find = partial(self._searches.page, order=token.order)
        async with preparing_tokens():
            result = await find(name, spec, opening)
        hits = result.hits(token.offset, token.offset + (request.page_size or _DEFAULT_HITS))
        contents = await _contents(result.snapshot, {hit.digest for hit in hits if hit.unit.line})
        page = Page(result, hits, contents, token)
        most = request.max_tokens or _DEFAULT_TOKENS
        return await asyncio.to_thread(lambda: self._writer.write(kind, page, most))


async def _contents(snapshot: CachedSnapshot, digests: set[bytes]) -> dict[bytes, bytes]:
    return {digest: content async for digest, content in snapshot.read_many(digests)}


def _filters(request: _Request) -> Filters:
    for index, kind in enumerate(request.kinds):
        if not kind or kind not in KIND_NAMES:
            raise SearchInvalid.at(f"kinds[{index}]", "not a kind of symbol")
    return Filters(
        include=request.include,
        exclude=request.exclude,
        languages=request.languages,
        kinds=[KIND_NAMES[kind] for kind in request.kinds],
    )


def _progress(progress: Progress) -> codesearch_service_pb2.IndexProgress:
    return codesearch_service_pb2.IndexProgress(
        done_count=progress.done, total_count=progress.total, stage=progress.stage
    )


def _summary(prepared: Prepared) -> codesearch_service_pb2.IndexSummary:
    columns = prepared.index.columns
    return codesearch_service_pb2.IndexSummary(
        snapshot=prepared.index.digest,
        file_count=len(columns.files),
        read_file_count=prepared.read_file_count,
        symbol_count=columns.unit_count,
        share_ready=round(prepared.index.meanings.share_ready, 4),
    )
