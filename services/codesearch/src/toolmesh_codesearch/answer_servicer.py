"""Turns what a search found into an answer that keeps to its tokens.

With more or less code, most parts of an answer are the same, so each is counted once. Its JSON is
divided behind names and constants, where a letter comes before a sign that is none. No token of
cl100k_base has both, and how a text is divided into tokens does not depend on what came before:
the tokens of the parts are those of the whole.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from toolmesh.codesearch.v1 import codesearch_service_pb2, hit_pb2
from toolmesh_codesearch.errors import SearchInvalid
from toolmesh_codesearch.hit_code import HitCode, code_of, shares
from toolmesh_codesearch.page_tokens import PageToken
from toolmesh_codesearch.searches import FoundUnit, Result
from toolmesh_serving.answer_budget import CountTokens, gateway_json

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
_NO_CODE = HitCode((), 0, truncated=True)


@dataclass(frozen=True, slots=True)
class Page:
    """The hits of a page, and the contents of their files by digest."""

    result: Result
    hits: Sequence[FoundUnit]
    contents: Mapping[bytes, bytes]
    token: PageToken


class AnswerWriter:
    """Writes answers of at most so many tokens."""

    def __init__(self, count_tokens: CountTokens) -> None:
        self._count_tokens = count_tokens

    def write(self, kind: type[Answer], page: Page, most: int) -> Answer:
        """Return the answer: as many hits as fit into half of it, then as much of their code.

        Raises:
            SearchInvalid: not even one hit fits, or, where there is none, the answer without any.
        """
        draft = _Draft(kind, page, self._count_tokens)
        count, least = len(page.hits), min(1, len(page.hits))
        while (bare := draft.token_count([_NO_CODE] * count)) > most * _HITS_SHARE:
            if count == least:
                break
            count = max(least, count - max(1, count // 4))
            draft.take(count)
        if bare > most:
            raise SearchInvalid.at("max_tokens", f"too few for this answer; give at least {bare}")
        codes = [
            code_of(hit.unit, page.contents.get(hit.digest, b""), hit.matched_lines)
            for hit in page.hits[:count]
        ]
        return draft.answer(_fitting(codes, draft.token_count, most))


class _Draft(Generic[Answer]):
    """The first hits of a page as an answer with more or less code; no part is counted twice."""

    def __init__(self, kind: type[Answer], page: Page, count_tokens: CountTokens) -> None:
        self._kind = kind
        self._page = page
        self._count_tokens = count_tokens
        self._hits = list(map(_hit, page.hits))
        before = itertools.chain(['":['], itertools.repeat("},"))
        self._hit_tokens = [
            count_tokens(separator + _divided(hit)[0])
            for separator, hit in zip(before, self._hits, strict=False)
        ]
        self._code_tokens: dict[tuple[int, int, bool], int] = {}
        self._last: dict[int, tuple[HitCode, int]] = {}
        self.take(len(self._hits))

    def take(self, count: int) -> None:
        """Have no more hits than these."""
        self._frame = _frame(self._kind, self._page, count)
        text = gateway_json(self._frame)
        # The hits come first: where there are none, this is their place.
        start, _, end = text.partition('":[]')
        parts = [start, "}]" + end] if count else [text]
        self._bare_tokens = sum(map(self._count_tokens, parts)) + sum(self._hit_tokens[:count])

    def token_count(self, shown: Sequence[HitCode]) -> int:
        """Count the tokens of the answer with this code, the digits that say so included."""
        codes = itertools.starmap(self._tokens_of_code, enumerate(shown))
        others = self._bare_tokens - _digit_tokens(self._frame.token_count) + sum(codes)
        # Digits are tokens of their own, so that how many they are need not be counted again.
        return next(
            count for count in itertools.count(others + 1) if count == others + _digit_tokens(count)
        )

    def answer(self, shown: Sequence[HitCode]) -> Answer:
        """Return the answer with this code."""
        answer = self._frame
        answer.token_count = self.token_count(shown)
        answer.hits.extend(self._hits[: len(shown)])
        for hit, code in zip(answer.hits, shown, strict=True):
            _put_code(hit, code)
        return answer

    def _tokens_of_code(self, place: int, code: HitCode) -> int:
        # Without lines, all are alike.
        key = place if code.lines else -1, len(code.lines), code.truncated
        if key not in self._code_tokens:
            last, tokens = self._last.get(place, (_NO_CODE, 0))
            shared = _shared_lines(last, code)
            if shared:
                tokens += self._tokens_from(shared, code) - self._tokens_from(shared, last)
            else:
                tokens = self._tokens_from(0, code)
            self._code_tokens[key] = tokens
            self._last[place] = code, tokens
        return self._code_tokens[key]

    def _tokens_from(self, line: int, code: HitCode) -> int:
        """Count the tokens of code and what comes after it, from the beginning of a line on."""
        hit = hit_pb2.Hit()
        _put_code(hit, replace(code, lines=code.lines[line:]))
        text = _divided(hit)[1]
        return self._count_tokens(text.removeprefix('":"') if line else text)


def _shared_lines(one: HitCode, other: HitCode) -> int:
    """Return how many lines of both, which begin alike, can be left out when they are compared.

    A line break is written as a letter and its sign, so that the next line may begin with none.
    """
    fewest = min(len(one.lines), len(other.lines))
    return next((at for at in range(fewest - 1, 0, -1) if not one.lines[at][:1].isalpha()), 0)


def _fitting(
    codes: Sequence[HitCode], token_count: Callable[[Sequence[HitCode]], int], most: int
) -> Sequence[HitCode]:
    """Return as much of the codes as fits into an answer whose tokens `token_count` counts."""
    best: Sequence[HitCode] = [_NO_CODE] * len(codes)
    best_count = bare = token_count(best)
    sizes = list(map(_size, codes))
    # Of a budget larger than all of the code, a part would still be all of it.
    budget = float(min(most - bare, sum(sizes)))
    for _ in range(_ROUNDS):
        shown = _shortened(codes, sizes, int(budget))
        count = token_count(shown)
        over = count / most
        if over <= 1 and count >= best_count:
            best, best_count = shown, count
        whole = all(cut is code for cut, code in zip(shown, codes, strict=True))
        if 0.93 <= over <= 1 or (over <= 1 and whole):
            break
        budget *= 0.97 * (most - bare) / max(1, count - bare)
    return best


def _divided(hit: hit_pb2.Hit) -> tuple[str, str]:
    """Return the JSON of a hit up to the name of its code, and from there on, without its end."""
    text = gateway_json(hit)
    # In a text, quotes are escaped: this is the name.
    cut = text.index('"code":') + len('"code')
    return text[:cut], text[cut:-1]


def _frame(kind: type[Answer], page: Page, count: int) -> Answer:
    """Return the answer with so many hits but for the hits themselves."""
    result, token = page.result, page.token
    end = token.offset + count
    answer = kind(
        snapshot=result.index.digest,
        hit_count=len(result),
        share_ready=round(result.index.meanings.share_ready, 4),
    )
    if end < len(result):
        answer.truncated = True
        snapshot = bytes.fromhex(result.index.digest)
        answer.next_page_token = PageToken(
            end, snapshot, token.search, result.ranked.order
        ).encode()
    return answer


def _put_code(hit: hit_pb2.Hit, code: HitCode) -> None:
    if code.lines:
        hit.code, hit.code_start_line = code.text, code.start_line
    hit.code_truncated = code.truncated


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


def _shortened(codes: Sequence[HitCode], sizes: Sequence[int], budget: int) -> list[HitCode]:
    """Cut codes of about such sizes to about so many tokens together."""
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
