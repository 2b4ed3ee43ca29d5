"""Which lines of a file use a name."""

import pytest

from toolmesh_repomap.line_search import lines_with


def _lines(content: str, name: str, *definition_lines: int, comment: str = "#") -> list[int]:
    found = lines_with(
        content.encode(),
        name,
        ignore_case=False,
        definition_lines=definition_lines,
        line_comment=comment,
    )
    return [line.line for line in found]


@pytest.mark.parametrize(
    ("content", "name", "lines"),
    [
        ("a = b\nb = a\nc\n", "a", [1, 2]),
        ("ab\na_b\na.b\n", "a", [3]),
        ("$el\nel\n", "el", [2]),
        ("$el\nel\n", "$el", [1]),
        ("x.empty?\nempty\n", "empty?", [1]),
        ("a+b\n", "+", [1]),
        ("größer größe\n", "größe", [1]),
        ("a\r\nb\r\na", "a", [1, 3]),
        ("\n\na a a\n", "a", [3]),
        ("", "a", []),
    ],
)
def test_a_name_is_a_word_of_its_own(content: str, name: str, lines: list[int]) -> None:
    """Parts of longer names do not count, and a line counts once."""
    assert _lines(content, name) == lines


def test_definitions_and_comments_are_no_uses() -> None:
    """A definition's line counts only when the name stands there once more."""
    content = "def a():\n    # a in a comment\n    return a\ndef a(): return a()\n"
    assert _lines(content, "a", 1, 4) == [3, 4]
    assert _lines("// a\n/* a */\na // a\n", "a", comment="//") == [3]
    assert _lines("# a\n", "a", comment="") == [1]


def test_comments_over_several_lines_are_no_uses() -> None:
    """What stands behind one on its last line is; nothing ends what is begun in the middle."""
    content = "/** a\n * import { a }\n a\n */ a\n/* b */ a\nb /* a\n a */\nx = '/*' + a\n  /* a"
    assert _lines(content, "a", comment="//") == [4, 5, 6, 7, 8]
    assert _lines("/*\n" * 200_000 + "*/\n" + "a\n" * 3, "a", comment="//") == [
        200_002,
        200_003,
        200_004,
    ]


def test_case_can_be_ignored() -> None:
    """With case ignored, any way to write the name is found."""
    found = lines_with(
        b"Select\nselect\n", "SELECT", ignore_case=True, definition_lines=(), line_comment="--"
    )
    assert [line.text for line in found] == ["Select", "select"]


def test_long_lines_are_cut_around_the_name() -> None:
    """The text has the name in it, whatever stands around it, and no indentation."""
    for before in (0, 50, 5000):
        content = "  " + "x " * before + "name" + " y" * 5000
        (found,) = lines_with(
            content.encode(), "name", ignore_case=False, definition_lines=(), line_comment="#"
        )
        assert "name" in found.text
        assert len(found.text) <= 162
        assert not found.text.startswith(" ")
        assert found.text.endswith("…")
        assert found.text.startswith("…") == (before > 30)


def test_many_definitions_of_a_name() -> None:
    """Each line is looked up among them at once: a megabyte of them takes about a second."""
    content = "def a(): 0\n" * 90_000
    assert _lines(content, "a", *range(1, 90_001)) == []
    assert _lines(content + "a\n", "a", *range(1, 90_001)) == [90_001]


def test_one_line_of_many_uses() -> None:
    """A megabyte in one line is looked through once, not once a use."""
    assert _lines("a " * 500_000, "a") == [1]
