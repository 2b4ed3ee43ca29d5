"""How lines that ripgrep finds become a ranking of symbols."""

from evals.codesearch.ripgrep import Span, innermost, words

_SPANS = (Span("Cart", 1, 20), Span("Cart.add", 3, 9), Span("Cart.drop", 11, 19))


def test_a_line_belongs_to_the_innermost_symbol() -> None:
    """A method's line counts for the method and not for its class."""
    assert innermost(_SPANS, 5) == "Cart.add"
    assert innermost(_SPANS, 10) == "Cart"
    assert innermost(_SPANS, 21) == ""


def test_words_that_say_nothing_are_not_searched_for() -> None:
    """`the` would match every comment; each other word is searched for once."""
    assert words("where is the Cart kept, and which cart?") == ["cart", "kept"]
