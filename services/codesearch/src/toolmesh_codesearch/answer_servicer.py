"""Turns what a search found into an answer that keeps to its tokens."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from toolmesh.codesearch.v1 import codesearch_service_pb2, hit_pb2
from toolmesh_codesearch.errors import SearchInvalid
from toolmesh_codesearch.hit_code import HitCode, code_of, shares
from toolmesh_codesearch.page_tokens import PageToken
from toolmesh_codesearch.searches import FoundUnit, Result
from toolmesh_serving.answer_budget import gateway_json

Answer = TypeVar(
    "Answer", codesearch_service_pb2.SearchResponse, codesearch_service_pb2.FindSimilarResponse
)

_CHARACTERS_A_TOKEN = 3.8
_DIGITS_A_TOKEN = 3
# What a hit costs to have code at all: the names of its fields, its line.
_CODE_FIELDS = 16
_ROUNDS = 6
# Hits without code tell little: with more than take this part of it, there are further pages.
_HITS_SHARE = 0.5
_KINDS = {
    value.name.removeprefix("SYMBOL_KIND_").lower(): value.number
    for value in hit_pb2.SymbolKind.DESCRIPTOR.values
}
KIND_NAMES = {number: name for name, number in _KINDS.items()}


@dataclass(frozen=True, slots=True)
class Page:
    """The hits of a page, and the contents of their files by digest."""

    result: Result
    hits: Sequence[FoundUnit]
    contents: Mapping[bytes, bytes]
    token: PageToken


class AnswerWriter:
    """Writes answers of at most so many tokens."""

    def __init__(self, count_tokens: Callable[[str], int]) -> None:
        self._count_tokens = count_tokens

    def write(self, kind: type[Answer], page: Page, most: int) -> Answer:
        """Return the answer: as many hits as fit into half of it, then as much of their code.

        Raises:
            SearchInvalid: not even one hit fits, or, where there is none, the answer without any.
        """
        codes = [
            code_of(hit.unit, page.contents.get(hit.digest, b""), hit.matched_lines)
            for hit in page.hits
        ]
        count, least = len(page.hits), min(1, len(page.hits))
        while True:
            answer = self._counted(_answer(kind, page, count, []), most)
            if answer.token_count <= most * _HITS_SHARE or count == least:
                break
            count = max(least, count - max(1, count // 4))
        if answer.token_count > most:
            raise SearchInvalid.at(
                "max_tokens", f"too few for this answer; give at least {answer.token_count}"
            )
        return self._with_code(kind, page, codes[:count], answer, most)

    def _with_code(
        self, kind: type[Answer], page: Page, codes: Sequence[HitCode], bare: Answer, most: int
    ) -> Answer:
        """Return the answer with as much code as fits; `bare` has none."""
        best = bare
        # Of a budget larger than all of the code, a part would still be all of it.
        budget = float(min(most - bare.token_count, sum(map(_size, codes))))
        for _ in range(_ROUNDS):
            shown = _shortened(codes, int(budget))
            answer = self._counted(_answer(kind, page, len(codes), shown), most)
            over = answer.token_count / most
            if over <= 1 and answer.token_count >= best.token_count:
                best = answer
            whole = all(cut is code for cut, code in zip(shown, codes, strict=True))
            if 0.93 <= over <= 1 or (over <= 1 and whole):
                break
            budget *= (
                0.97 * (most - bare.token_count) / max(1, answer.token_count - bare.token_count)
            )
        return best

    def _counted(self, answer: Answer, most: int) -> Answer:
        """Set how many tokens an answer has, the digits that say so included."""
        answer.token_count = most
        others = self._count_tokens(gateway_json(answer)) - _digit_tokens(most)
        # Digits are tokens of their own, so that how many they are need not be counted again.
        answer.token_count = next(
            count for count in itertools.count(others + 1) if count == others + _digit_tokens(count)
        )
        return answer


def _answer(kind: type[Answer], page: Page, count: int, codes: Sequence[HitCode]) -> Answer:
    result, token = page.result, page.token
    end = token.offset + count
    answer = kind(
        hits=map(_hit, page.hits[:count]),
        snapshot=result.index.digest,
        hit_count=len(result),
        share_ready=round(result.index.meanings.share_ready, 4),
    )
    for hit, code in zip(answer.hits, codes, strict=False):
        if code.lines:
            hit.code, hit.code_start_line = code.text, code.start_line
        hit.code_truncated = code.truncated
    if not codes:
        for hit in answer.hits:
            hit.code_truncated = True
    if end < len(result):
        answer.truncated = True
        snapshot = bytes.fromhex(result.index.digest)
        answer.next_page_token = PageToken(
            end, snapshot, token.search, result.ranked.order
        ).encode()
    return answer


def _hit(found: FoundUnit) -> hit_pb2.Hit:
    unit = found.unit
    return hit_pb2.Hit(
        path=found.path,
        start_line=unit.line,
        end_line=unit.end_line,
        symbol=unit.qualified,
        kind=hit_pb2.SymbolKind.ValueType(_KINDS[unit.kind]),
        language=found.language,
        score=round(found.score, 4),
        exact_name=found.exact_name,
        matched_words=found.matched_words,
        meaning=round(max(0.0, found.meaning), 3),
        matched_lines=found.matched_lines,
    )


def _shortened(codes: Sequence[HitCode], budget: int) -> list[HitCode]:
    """Cut codes to about so many tokens together."""
    sizes = [_size(code) for code in codes]
    return [
        code if share >= size else code.shortened(_lines_within(code, share - _CODE_FIELDS))
        for code, size, share in zip(codes, sizes, shares(sizes, budget), strict=True)
    ]


def _size(code: HitCode) -> int:
    """Return about how many tokens code has."""
    return int(len(code.text) / _CHARACTERS_A_TOKEN) + _CODE_FIELDS


def _lines_within(code: HitCode, tokens: int) -> int:
    """Count how many of its lines have about so many tokens."""
    left = tokens * _CHARACTERS_A_TOKEN
    for count, line in enumerate(code.lines):
        left -= len(line) + 1
        if left < 0:
            return count
    return len(code.lines)


def _digit_tokens(number: int) -> int:
    """Count the tokens of a number; three digits are one."""
    return math.ceil(len(str(number)) / _DIGITS_A_TOKEN)
