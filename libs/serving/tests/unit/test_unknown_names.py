"""What callers are told of a name that there is not."""

from toolmesh_serving.unknown_names import no_such

_KNOWN = ("go", "javascript", "python", "typescript")


def test_the_nearest_names_are_told_first() -> None:
    """A typing error is told with what is meant, in any case of letters, and with all there is."""
    there_are = ", ".join(_KNOWN)
    said = no_such("language", "Pyhton", _KNOWN)
    assert said == f"no language 'Pyhton'; did you mean python? There are: {there_are}"
    said = no_such("language", "javscript", _KNOWN)
    assert said.startswith("no language 'javscript'; did you mean javascript or typescript? There")


def test_an_alias_is_told_where_it_is_near() -> None:
    """Other names can be meant too, but are not listed."""
    said = no_such("language", "golnag", _KNOWN, aliases=("golang",))
    assert said.startswith("no language 'golnag'; did you mean golang? There are: go, ")
    assert "golang" not in no_such("language", "klingon_b", _KNOWN, aliases=("golang",))


def test_nothing_is_guessed_of_what_is_like_nothing() -> None:
    """Then there is only the list; a name as long as a book is cut."""
    said = no_such("rule pack", "x" * 100_000, _KNOWN)
    assert said == f"no rule pack '{'x' * 50}'; there are: {', '.join(_KNOWN)}"
