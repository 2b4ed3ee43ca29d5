"""Documents are taken apart at their headings."""

from toolmesh_codesearch.sections import document_language, section_units


def _sections(language: str, text: str) -> list[tuple[str, str, int, int]]:
    units = section_units(language, text.encode().split(b"\n"))
    return [(unit.scope, unit.name, unit.line, unit.end_line) for unit in units]


def test_markdown_sections() -> None:
    """Sections know what is around them; a heading inside of fenced code is none."""
    text = "intro\n# Shop\ntext\n## Setup ##\n```sh\n# not one\n```\n### Keys\n## Use\n"
    assert _sections("markdown", text) == [
        ("", "Shop", 2, 3),
        ("Shop", "Setup", 4, 7),
        ("Shop > Setup", "Keys", 8, 8),
        ("Shop", "Use", 9, 9),
    ]


def test_the_last_section_ends_with_the_last_line() -> None:
    """Whether or not there is a line break behind it."""
    for text in ("# Shop\none\ntwo", "# Shop\none\ntwo\n"):
        assert _sections("markdown", text) == [("", "Shop", 1, 3)]
    assert _sections("markdown", "# Shop\none\n\n") == [("", "Shop", 1, 3)]


def test_restructured_sections() -> None:
    """Levels go by the order in which their marks come up."""
    text = "Shop\n====\ntext\n\nSetup\n-----\nmore\n\nUse\n---\n"
    assert [section[:2] for section in _sections("restructuredtext", text)] == [
        ("", "Shop"),
        ("Shop", "Setup"),
        ("Shop", "Use"),
    ]


def test_a_document_without_headings_has_no_sections() -> None:
    """Such a document is found as a file."""
    assert _sections("markdown", "plain text\n") == []
    assert document_language("docs/A.MD") == "markdown"
    assert document_language("a.py") == ""
