"""Identifiers, paths and questions as words."""

import pytest

from toolmesh_repomap.words import form_weight, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("HTTPServer_getModels", ["http", "serv", "get", "model"]),
        ("django/db/models/base.py", ["django", "db", "model", "base", "py"]),
        ("parse2Json", ["pars", "2", "json"]),
        ("größe_maß", ["größ", "maß"]),
        ("变量", ["变量"]),
        ("", []),
        ("_ __ 🙂 -", []),
        ("x" * 50, []),
    ],
)
def test_takes_apart(text: str, words: list[str]) -> None:
    """Words begin at capitals, underscores and digits; what is far too long is no word."""
    assert words_of(text) == words


@pytest.mark.parametrize(
    "family",
    [
        "validate validated validates validator validators validation validating",
        "map maps mapper mapping mapped",
        "query queries",
        "token tokens",
        "connection connections connected connect",
    ],
)
def test_endings_do_not_matter(family: str) -> None:
    """An act, its actor and its outcome have one stem."""
    assert len({word for text in family.split() for word in words_of(text)}) == 1


@pytest.mark.parametrize(
    ("name", "weight"),
    [("get_model", 3), ("HttpRequest", 3), ("model", 1), ("a_b", 0.3), ("_load_it", 0.1)],
)
def test_form(name: str, weight: float) -> None:
    """Long compounds tell most, private names least."""
    assert form_weight(name) == weight
