"""The queries keep to their own rules."""

from collections import Counter

from evals.codesearch.packages import HALVES, HELD_OUT, PACKAGES
from evals.codesearch.queries import Query, read_queries, words_in_names


def test_no_query_has_a_word_of_the_name_of_an_answer() -> None:
    """A query that shares a word with the name of what it looks for would make words win."""
    assert list(words_in_names(read_queries())) == []


def test_a_word_of_a_name_is_seen_in_any_form() -> None:
    """Identifiers are split and endings cut before they are compared; what is around is not."""
    asked = Query("x-1", "x", "1", HELD_OUT, "parsing what a Cart holds", ("a.py::Cart.parse_all",))
    (wrong,) = words_in_names([asked])
    assert "parse_all" in wrong
    assert not list(words_in_names([Query("x", "x", "1", HELD_OUT, "a cart", ("a.py::Cart.add",))]))


def test_there_are_enough_queries_and_no_two_alike() -> None:
    """At least 120, over at least 4 packages in at least 2 languages, none asked twice."""
    queries = read_queries()
    assert len(queries) >= 120
    assert len({query.id for query in queries}) == len(queries)
    assert len({query.query for query in queries}) == len(queries)
    assert {query.package for query in queries} == {package.name for package in PACKAGES}
    assert len({package.language for package in PACKAGES}) >= 2


def test_half_of_the_queries_are_held_out() -> None:
    """Each half has between two fifths and three fifths, and no package is in both."""
    queries = read_queries()
    counts = Counter(query.split for query in queries)
    assert set(counts) == set(HALVES)
    assert all(0.4 < count / len(queries) < 0.6 for count in counts.values())
    halves = {package.name: package.half for package in PACKAGES}
    assert all(query.split == halves[query.package] for query in queries)


def test_each_answer_is_a_path_and_a_name() -> None:
    """Answers are written without lines, so that they hold for as long as the version does."""
    for query in read_queries():
        assert query.answers
        for answer in query.answers:
            path, separator, name = answer.partition("::")
            assert path
            assert separator
            assert name.strip() == name != ""
