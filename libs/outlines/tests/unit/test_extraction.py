"""What extraction reads out of realistic code in every language, and out of what is no code.

Each sample in `samples/` has beside it what it defines: line, last line, kind, and the header,
indented below its parent.
"""

import json
from pathlib import Path

import pytest

from toolmesh_outlines.extraction import extract_outline
from toolmesh_outlines.languages import LANGUAGES, assign_languages
from toolmesh_outlines.outline import Outline, decode_outline, encode_outline

_SAMPLES = Path(__file__).parent / "samples"
_NAMES = sorted(
    path.name.removesuffix(".txt")
    for path in _SAMPLES.glob("*.txt")
    if not path.name.endswith(".outline.txt")
)


def _extract(name: str) -> Outline:
    language = assign_languages([name])[name].name
    return extract_outline((_SAMPLES / f"{name}.txt").read_bytes(), language)


def _text(outline: Outline) -> str:
    lines: list[str] = []
    depths: list[int] = []
    for definition in outline.definitions:
        depths.append(0 if definition.parent < 0 else depths[definition.parent] + 1)
        indent = "  " * depths[-1]
        lines.append(
            f"{definition.line:3}-{definition.end_line:<3} {definition.kind:14} "
            f"{indent}{definition.signature}  [{definition.name}]\n"
        )
    return "".join(lines)


def test_every_language_has_a_sample() -> None:
    """No language is without a test on realistic code."""
    assigned = {language.name for language in assign_languages(_NAMES).values()}
    assert assigned == {language.name for language in LANGUAGES}


@pytest.mark.parametrize("name", _NAMES)
def test_definitions(name: str) -> None:
    """Every definition is found with its lines, kind, one-line header and parent, and no other."""
    assert _text(_extract(name)) == (_SAMPLES / f"{name}.outline.txt").read_text()


@pytest.mark.parametrize("name", _NAMES)
def test_uses_and_imports(name: str) -> None:
    """Uses are found with their counts, members apart; bound names do not count as uses."""
    expected = json.loads((_SAMPLES / "uses.json").read_text())[name]
    outline = _extract(name)
    for uses, counts in (("references", outline.references), ("members", outline.members)):
        found = {use: counts.get(use, 0) for use in expected[uses]}
        assert found == expected[uses]
    assert not set(expected["bound"]) & outline.references.keys()
    assert list(outline.imports) == expected["imports"]


@pytest.mark.parametrize("name", _NAMES)
def test_an_outline_survives_its_encoding(name: str) -> None:
    """What the cache gives back equals what was put in."""
    outline = _extract(name)
    assert decode_outline(encode_outline(outline)) == outline


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"def f():\n    return '\0'\n", "binary"),
        ("naïve = 'é'\n".encode("latin-1"), "not UTF-8"),
        (b"x=1;" * 1_250_000, "minified"),
        (b"x = " + b"(\n" * 10_000 + b")\n" * 10_000, "nested too deep"),
        (b"x = " + b"[\n" * 10_000, "nested too deep"),
        (b"{\n" * 10_000, "nested too deep"),
    ],
)
def test_what_is_no_code_says_why(source: bytes, reason: str) -> None:
    """Content that cannot be read as code gives an outline with nothing but the reason."""
    for language in LANGUAGES:
        assert extract_outline(source, language.name) == Outline(skipped=reason)


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("python", b"".join(b" " * i + b"if x:\n" for i in range(900)) + b" " * 900 + b"pass\n"),
        ("python", b"x = a" + b"\\\n.b()" * 2_000),
        ("python", b"x = 1" + b"\\\n+ 1" * 10_000),
        ("javascript", b"x = " + b"a ?\n" * 10_000 + b"1" + b" : 2\n" * 10_000),
        ("javascript", b"<a>\n" * 10_000 + b"</a>\n" * 10_000),
        ("ruby", b"class A\n" * 3_000 + b"end\n" * 3_000),
        ("ruby", b"x = if y\n" * 10_000 + b"end\n" * 10_000),
        ("c", b"#if X\n" * 10_000 + b"#endif\n" * 10_000),
        ("cpp", b"a<\n" * 5_000 + b">\n" * 5_000),
    ],
)
def test_depth_without_brackets_is_no_problem(language: str, source: bytes) -> None:
    """Trees that are thousands of levels deep are walked without recursion."""
    outline = extract_outline(source, language)
    assert not outline.skipped


def test_deep_definitions_keep_their_parents() -> None:
    """Classes in classes are followed as deep as they go."""
    outline = extract_outline(b"class A\n" * 2_000 + b"end\n" * 2_000, "ruby")
    assert [definition.parent for definition in outline.definitions] == list(range(-1, 1_999))


def test_broken_code_keeps_what_can_be_read() -> None:
    """A syntax error costs what is around it, not the file."""
    outline = extract_outline(
        b"def whole(a):\n    pass\n\ndef broken(:\n\nclass Also:\n    x = 1\n", "python"
    )
    assert "whole" in {definition.name for definition in outline.definitions}
    assert not outline.skipped


def test_headers_are_bounded() -> None:
    """A header that would fill a page is cut, and says so."""
    parameters = b", ".join(b"parameter_%d" % number for number in range(500))
    outline = extract_outline(b"def f(" + parameters + b"):\n    pass\n", "python")
    assert len(outline.definitions[0].signature) <= 160
    assert outline.definitions[0].signature.endswith("…")


def test_headers_of_a_tree_with_cpp_are_cpp() -> None:
    """`.h` is C, unless the tree has C++ files."""
    assert assign_languages(["a.h", "a.c"])["a.h"].name == "c"
    assert assign_languages(["a.h", "b.cc"])["a.h"].name == "cpp"


def test_unknown_files_have_no_language() -> None:
    """What is not in the table is left alone, whatever its name looks like."""
    assert assign_languages(
        ["README.md", "py", ".py", "a.PY", "Rakefile", "x/Makefile"]
    ).keys() == {
        "a.PY",
        "Rakefile",
    }
