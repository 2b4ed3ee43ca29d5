"""Which words of a query are meant as names."""

import pytest

from toolmesh_codesearch.queries import read_query
from toolmesh_codesearch.words import Vocabulary


@pytest.mark.parametrize(
    ("text", "identifiers"),
    [
        ("where is the cart emptied?", []),
        ("cart", [("cart",)]),
        ("how does TokenVerifier.verify fail", [("TokenVerifier", "verify")]),
        ("what calls total_price or `empty`", [("total_price",), ("empty",)]),
        ("run() in std::vector", [("run",), ("std", "vector")]),
        ("the HTTP status of a JSON answer", []),
        ("__init__ and _private", [("__init__",), ("_private",)]),
        ("the HTTPServer class", [("HTTPServer",)]),
        ("is `valid?` called", [("valid?",), ("valid",)]),
        ("what does save! do", [("save!",)]),
        ("who calls save!", [("save!",)]),
        ("does valid? look at errors", [("valid?",)]),
        ("where is the session (still) valid?", []),
        ("is it (ever) valid?) Or is it never", []),
        ("Is it valid? Who says so?", []),
        ("valid?", [("valid?",), ("valid",)]),
        ("what of User.valid?", [("User", "valid?"), ("User", "valid")]),
        ("where is total_price?", [("total_price?",), ("total_price",)]),
        ("what does $get return", [("$get",)]),
        (
            "Scope.$apply and $total_price",
            [("Scope", "$apply"), ("Scope", "apply"), ("$total_price",), ("total_price",)],
        ),
        ("user?.name != other", []),
        ("assert!(ok)", [("assert!",), ("assert",)]),
    ],
)
def test_identifiers(text: str, identifiers: list[tuple[str, ...]]) -> None:
    """A name is what no plain word looks like, what is marked as one, or what stands alone."""
    assert list(read_query(text, Vocabulary()).identifiers) == identifiers


def test_words_are_known_as_they_were_written() -> None:
    """A term leads back to the first word that had it; code has words and no names to look for."""
    query = read_query("Validate a validator_name", Vocabulary(), is_code=True)
    assert list(query.words.values()) == ["validate", "name"]
    assert query.identifiers == ()


def test_names_are_bounded() -> None:
    """Of very many, the first 32 count."""
    text = " ".join(f"`n{number}?`" for number in range(100))
    assert len(read_query(text, Vocabulary()).identifiers) == 32
