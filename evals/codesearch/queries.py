"""The queries with their right answers, and whether they keep to the rules for queries."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from toolmesh_codesearch.words import Vocabulary

_FILE = Path(__file__).with_name("queries.jsonl")


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question in plain words.

    Attributes:
        package: the name of a `Searched`; `version` is the one that the answers were looked up in.
        answers: the symbols that are right, each `path::qualified.name`: any one of them will do.
    """

    id: str
    package: str
    version: str
    split: str
    query: str
    answers: tuple[str, ...]


_decoder = msgspec.json.Decoder(Query)


def read_queries() -> list[Query]:
    """All queries, in the order of the file."""
    return [_decoder.decode(line) for line in _FILE.read_bytes().splitlines()]


def words_in_names(queries: Sequence[Query]) -> Iterator[str]:
    """What is wrong with queries that have a word of the name of a right answer.

    Words are taken apart and cut to their stems as the search itself does it, so no query that
    passes can match an answer by the words of its name. What is around the symbol, such as its
    class, may share words with the query.
    """
    vocabulary = Vocabulary()

    def stems(text: str) -> frozenset[int]:
        return frozenset(vocabulary.words_of(text.encode()).terms.tolist())

    for query in queries:
        asked = stems(query.query)
        for answer in query.answers:
            name = answer.rpartition("::")[2].rpartition(".")[2]
            if asked & stems(name):
                yield f"{query.id}: {query.query!r} has a word of {name!r}"
