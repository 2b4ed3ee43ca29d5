"""What extraction reads out of realistic code in every language, and out of what is no code.

Each sample in `samples/` has beside it what it defines: line, last line, kind, and the header,
indented below its parent, then the name and what a comment says of it.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from toolmesh_outlines.doc_comments import DocComments
from toolmesh_outlines.extraction import extract_outline
from toolmesh_outlines.languages import LANGUAGES, assign_languages, language_named
from toolmesh_outlines.outline import Definition, Kind, Outline, decode_outline, encode_outline
from toolmesh_outlines.sql_definitions import sql_definitions

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
            f"{indent}{definition.signature}  [{definition.name}]"
            f"{'  # ' if definition.doc else ''}{definition.doc}\n"
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
def test_without_uses_nothing_else_is_missing(name: str) -> None:
    """Definitions and imports are the same, and no name counts as used."""
    language = assign_languages([name])[name].name
    source = (_SAMPLES / f"{name}.txt").read_bytes()
    bare = extract_outline(source, language, with_uses=False)
    assert bare == structs.replace(extract_outline(source, language), references={}, members={})


@pytest.mark.parametrize("name", _NAMES)
def test_an_outline_survives_its_encoding(name: str) -> None:
    """What the cache gives back equals what was put in."""
    outline = _extract(name)
    assert decode_outline(encode_outline(outline)) == outline


@pytest.mark.parametrize("name", _NAMES)
def test_line_breaks_of_two_bytes_change_nothing(name: str) -> None:
    """A file with CRLF, as from Windows, has the outline of the same file with LF."""
    language = assign_languages([name])[name].name
    source = (_SAMPLES / f"{name}.txt").read_bytes()
    assert extract_outline(source.replace(b"\n", b"\r\n"), language) == _extract(name)


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("c", b"#define MAX(a, b) \\\n  ((a) > (b) ? (a) : (b))\n#define LONG 1 + \\\n  2\n"),
        ("ocaml", b"type state =\n  | Open\n  | Closed\n\nlet limit =\n  1_000\n"),
        ("sql", b"create table a (x int)\nGO\ncreate table b (y int); -- last\nselect 1;\n"),
        ("ruby", b"class A < B\nend\n"),
        ("elixir", b'defmodule A do\n  @doc """\n  Finds it.\n  """\n  def f, do: 1\nend\n'),
        ("kotlin", b"class A<T>\n@B(1)\ninternal constructor(a: T) : C() {\n  fun d() {}\n}\n"),
    ],
)
def test_headers_and_ends_are_those_of_one_byte_line_breaks(language: str, source: bytes) -> None:
    """Headers over several lines and ends of statements are the same with CRLF."""
    with_returns = extract_outline(source.replace(b"\n", b"\r\n"), language)
    assert with_returns == extract_outline(source, language)


@pytest.mark.parametrize("name", _NAMES)
def test_a_byte_order_mark_changes_nothing(name: str) -> None:
    """A file that begins with the mark of its encoding has the outline of the same without."""
    language = assign_languages([name])[name].name
    assert extract_outline(b"\xef\xbb\xbf" + (_SAMPLES / f"{name}.txt").read_bytes(), language) == (
        _extract(name)
    )


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("sql", b"CREATE TABLE a (x int);\nCREATE TABLE b (y int);\n"),
        ("csharp", b"// <auto-generated>\nclass A { void F() {} }\n"),
        ("python", b"# Finds it.\ndef f():\n    pass\n"),
        ("haskell", b"f = 1\ng = 2\n"),
        ("kotlin", b"class A\n"),
        ("cpp", b"FOO_API int f(int a);\n"),
    ],
)
def test_the_first_line_is_read_behind_a_byte_order_mark(language: str, source: bytes) -> None:
    """What the first line says counts, though a mark stands before it."""
    outline = extract_outline(b"\xef\xbb\xbf" + source, language)
    assert outline == extract_outline(source, language)
    assert outline.definitions


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


def test_minified_code_keeps_the_names_that_people_chose() -> None:
    """A minified file tells its imports and longer names; its uses would only blur a ranking."""
    names = b"".join(b"function f%d(){return a()}" % number for number in range(10))
    source = names + b"function openCart(){import('./cart')}" + b"a=1;" * 20_000
    outline = extract_outline(source, "javascript")
    assert outline.is_minified
    assert [definition.name for definition in outline.definitions] == ["openCart"]
    assert outline.imports == ("./cart",)
    assert (outline.references, outline.members) == ({}, {})
    assert not extract_outline(b"function openCart() {}\n" * 2_000, "javascript").is_minified


@pytest.mark.parametrize(
    ("language", "header"),
    [
        ("go", "// Code generated by protoc-gen-go. DO NOT EDIT.\n"),
        ("python", "# -*- coding: utf-8 -*-\n# Generated by the compiler. DO NOT EDIT!\n"),
        ("java", "/*\n * @generated\n */\n"),
        ("csharp", "// <auto-generated>\n"),
        ("sql", "-- This file is generated by the schema dumper.\n"),
        ("ocaml", "(* Automatically generated file *)\n"),
    ],
)
def test_generated_code_says_so(language: str, header: str) -> None:
    """What generators write at the top of a file is seen, in a comment and nowhere else."""
    assert extract_outline(header.encode(), language).is_generated
    assert not extract_outline(f'x = "{header}"'.replace("\n", " ").encode(), language).is_generated
    assert not extract_outline(b"# Tokens generated here are kept.\n", language).is_generated


@pytest.mark.parametrize(
    ("language", "source", "doc"),
    [
        ("python", 'def f():\n    """Finds it.\n\n    Slowly.\n    """\n', "Finds it."),
        ("python", "class A:\n    # inner\n    x = 1\n", ""),
        ("python", "# Finds it.\n@cached(1)\ndef f():\n    pass\n", "Finds it."),
        ("python", "# Something else.\n\ndef f():\n    pass\n", ""),
        ("go", "//go:noinline\n// f finds it.\n// Slowly.\nfunc f() {}\n", "f finds it."),
        ("rust", "/// Finds it.\n#[inline]\n#[must_use]\nfn f() {}\n", "Finds it."),
        (
            "typescript",
            "/**\n * Finds it.\n * @param a one\n */\nexport function f() {}\n",
            "Finds it.",
        ),
        (
            "csharp",
            "/// <summary>\n/// Finds <c>it</c>.\n/// </summary>\nclass F {}\n",
            "Finds it.",
        ),
        ("c", "/* Copyright 2020 Nobody\n * Finds it. */\nint f(void) {}\n", ""),
        ("c", "int g; /* no comment on f */\nint f(void) {}\n", ""),
        ("haskell", "{- | Finds it. -}\nf = 1\n", "Finds it."),
        (
            "elixir",
            'defmodule A do\n  @doc """\n  Finds it.\n  """\n  @spec f :: 1\n  def f, do: 1\nend\n',
            "Finds it.",
        ),
        ("elixir", "defmodule A do\n  @doc false\n  def f, do: 1\nend\n", ""),
        ("lua", "-- ------\n-- Finds it.\nlocal function f() end\n", "Finds it."),
    ],
)
def test_definitions_have_the_first_line_of_their_comment(
    language: str, source: str, doc: str
) -> None:
    """The first line that a comment or docstring says to people is kept with the definition."""
    assert extract_outline(source.encode(), language).definitions[-1].doc == doc


def test_docs_are_bounded() -> None:
    """A comment without a line break is cut, between characters."""
    source = "# " + "é" * 2_000 + "\ndef f():\n    pass\n"
    doc = extract_outline(source.encode(), "python").definitions[0].doc
    assert set(doc) == {"é"}
    assert len(doc.encode()) <= 200


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
        ("kotlin", b"class A :\n" * 3_000),
        ("swift", b"#if A\n" * 10_000 + b"#endif\n" * 10_000),
        ("scala", b"if a then\n" * 3_000 + b"1\n"),
        ("lua", b"do\n" * 5_000 + b"end\n" * 5_000),
        ("bash", b"if a; then\n" * 2_000 + b"fi\n" * 2_000),
        ("elixir", b"a do\n" * 3_000 + b"end\n" * 3_000),
        ("haskell", b"f = " + b"\\x ->\n  " * 2_000 + b"x\n"),
        ("ocaml", b"let a = " + b"begin\n" * 5_000 + b"1" + b" end\n" * 5_000),
        ("zig", b"const a = " + b"if (b)\n" * 2_000 + b"1;\n"),
        ("hcl", b"a = " + b"!\n" * 5_000 + b"b\n"),
        ("sql", b"SELECT " + b"CASE WHEN a THEN\n" * 2_000 + b"1" + b" END\n" * 2_000),
        ("protobuf", b"message A\n" * 5_000),
    ],
)
def test_depth_without_brackets_is_no_problem(language: str, source: bytes) -> None:
    """Trees that are thousands of levels deep are walked without recursion."""
    outline = extract_outline(source, language)
    assert not outline.skipped


def test_deep_definitions_keep_their_parents() -> None:
    """Classes in classes are followed to a depth; what is deeper is told at that depth."""
    outline = extract_outline(b"class A\n" * 2_000 + b"end\n" * 2_000, "ruby")
    parents = [definition.parent for definition in outline.definitions]
    assert parents == [*range(-1, 64), *[63] * 1_935]
    assert decode_outline(encode_outline(outline)) == outline


@pytest.mark.parametrize(
    "parents", [[0], [-1, 2, -1], range(-1, 65)], ids=["itself", "later", "deep"]
)
def test_no_outline_has_definitions_in_later_or_too_many_ones(parents: Sequence[int]) -> None:
    """Readers follow parents, so an outline that would lead them on and on is damaged."""
    definitions = tuple(
        Definition("a", Kind.CLASS, line, line, "class a", parent)
        for line, parent in enumerate(parents, 1)
    )
    with pytest.raises(ValueError, match="cannot stand in"):
        decode_outline(encode_outline(Outline(definitions)))


def _branches(count: int) -> str:
    others = "".join(f"#elif P{number}\nvoid f{number}(void) {{}}\n" for number in range(1, count))
    return f"#ifndef G\n#define G\n#if P0\nvoid f0(void) {{}}\n{others}#endif\n#endif\n"


@pytest.mark.parametrize(
    ("language", "source", "name"),
    [
        ("c", _branches(16), "f15"),
        (
            "cpp",
            "#ifndef G\n#define G\nnamespace a { namespace b { namespace c {\n"
            "class O { class I { template <class T> void m() {} }; };\n}}}\n#endif\n",
            "m",
        ),
        ("java", "class A { class B { class C { class D { class E { void m() {} } } } } }\n", "m"),
        (
            "python",
            "class A:\n class B:\n  class C:\n   class D:\n    def m(self):\n     pass\n",
            "m",
        ),
        (
            "python",
            "if a:\n try:\n  @b\n  class C:\n   @property\n   def m(self):\n    pass\n"
            " except D:\n  pass\n",
            "m",
        ),
    ],
)
def test_what_is_in_no_function_is_found_however_deep(
    language: str, source: str, name: str
) -> None:
    """Branches, namespaces and classes in each other hide nothing."""
    assert extract_outline(source.encode(), language).definitions[-1].name == name


@pytest.mark.parametrize(
    ("language", "source", "names"),
    [
        (
            "python",
            "def f():\n class A:\n  def m(self):\n   pass\n"
            " with a:\n  with b:\n   class B:\n    def n(self):\n     class C:\n      x = 1\n",
            ["f", "A", "m", "B"],
        ),
        (
            "c",
            "void f(void) {\n  struct a { int x; };\n  if (b) { while (c) { do { for (;;) {\n"
            "    struct d { int x; };\n  } } while (e); } }\n}\n",
            ["f", "a"],
        ),
    ],
)
def test_what_is_deep_in_a_function_is_not_told(
    language: str, source: str, names: list[str]
) -> None:
    """Classes at the top of a function's body are found; what is deeper, nobody asks for."""
    definitions = extract_outline(source.encode(), language).definitions
    assert [definition.name for definition in definitions] == names


def test_broken_code_keeps_what_can_be_read() -> None:
    """A syntax error costs what is around it, not the file."""
    outline = extract_outline(
        b"def whole(a):\n    pass\n\ndef broken(:\n\nclass Also:\n    x = 1\n", "python"
    )
    assert "whole" in {definition.name for definition in outline.definitions}
    assert not outline.skipped


def test_the_names_of_assigned_functions_are_no_uses() -> None:
    """A function's own name does not count, and what it is assigned to takes no use away."""
    source = b"api.save = function save() {}\napi.load = function () {}\nload(save)\n"
    assert extract_outline(source, "javascript").references == {"api": 2, "load": 1, "save": 1}


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


@pytest.mark.parametrize(
    ("language", "source", "imports"),
    [
        ("scala", "import a.{B, C => D}, e.f._\n", ["a/B", "a/C", "e/f"]),
        ("scala", "import a.b.*\nimport c.given\n", ["a/b", "c"]),
        (
            "elixir",
            "alias Shop.{HTTPClient, Stock.ItemId}\n",
            ["shop/http_client", "shop/stock/item_id"],
        ),
        ("lua", "local a = require 'a.b'\nrequire('c/d')\n", ["a/b", "c/d"]),
        (
            "bash",
            '. "${0%/*}/a.sh"\nsource $DIR/b/c.sh\nsource "$(pwd)/../d.sh"\n',
            ["a.sh", "b/c.sh", "../d.sh"],
        ),
        ("zig", 'const a = @import("std");\nconst b = @import("b/c.zig");\n', ["./b/c.zig"]),
        (
            "haskell",
            "import qualified Data.Map.Strict as M\nimport A (b)\n",
            ["Data/Map/Strict", "A"],
        ),
        ("ocaml", "open Shop_core.Store\nlet a = List_ext.b\n", ["shop_core/store", "list_ext"]),
        (
            "hcl",
            'module "a" {\n  source = "./b/"\n}\nmodule "c" {\n  source = "x/y/z"\n}\n',
            ["./b/main", "x/y/z"],
        ),
        ("protobuf", 'import weak "a/b.proto";\n', ["a/b.proto"]),
        ("kotlin", "import a.b.C\nimport d.*\n", ["a/b/C", "d"]),
        ("swift", "import struct A.B\n", ["A/B"]),
    ],
)
def test_imports_are_paths(language: str, source: str, imports: list[str]) -> None:
    """What each language writes to import becomes the end of a path."""
    assert list(extract_outline(source.encode(), language).imports) == imports


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("CREATE TABLE [dbo].[Order Lines] (a int)\nGO\n", ["Order Lines"]),
        ("create or replace procedure `shop`.`close`() begin select 1; end;\n", ["close"]),
        ('CREATE INDEX ON a (b);\nCREATE INDEX CONCURRENTLY IF NOT EXISTS "i" ON a (b);\n', ["i"]),
        (
            "CREATE FUNCTION f() RETURNS int AS $x$\nCREATE TEMP TABLE t (a int);\n$x$;\n",
            ["f", "t"],
        ),
        ("-- CREATE TABLE no (a int);\nINSERT INTO x VALUES ('CREATE TABLE no');\n", []),
        ("\\set a b\nCREATE\n  UNLOGGED TABLE\n  t (a int);\n", ["t"]),
    ],
)
def test_sql_of_many_dialects(source: str, names: list[str]) -> None:
    """What is created is found, whatever stands around it and however it is quoted."""
    outline = extract_outline(source.encode(), "sql")
    assert [definition.name for definition in outline.definitions] == names


def test_sql_without_an_end_is_read_in_time() -> None:
    """Thousands of statements whose bodies do not end cost no more than their number."""
    source = b"".join(b"CREATE FUNCTION f() AS $a%d$\n" % number for number in range(3_000))
    definitions = sql_definitions(source, DocComments(source, language_named("sql")))
    assert len(definitions) == 3_000


def test_what_a_grammar_cannot_read_is_blanked() -> None:
    """Conditions, modifiers and forms that a grammar does not know cost no definition."""
    swift = b"class A {\n#if canImport(B) && !os(C)\n  func b() {}\n#endif\n  func c() {}\n}\n"
    kotlin = (
        b"class A<T>\n@B(1)\ninternal constructor(a: T) : C() {\n  fun d() {}\n}\nfun interface E\n"
    )
    for source, language, lines in (
        (swift, "swift", {"A": 1, "b": 3, "c": 5}),
        (kotlin, "kotlin", {"A": 1, "d": 4, "E": 6}),
    ):
        definitions = extract_outline(source, language).definitions
        assert {definition.name: definition.line for definition in definitions} == lines


@pytest.mark.parametrize(
    ("language", "source", "names"),
    [
        (
            "c",
            "unsigned char *SHA256(const char *d) {\n  return 0;\n}\nint MD5(int a);\n",
            "SHA256 MD5",
        ),
        ("c", "static int\nGET(void)\n{\n}\nDWORD WINAPI MAIN(int a) {}\n", "GET MAIN"),
        ("cpp", "URL::URL() : a(1) {}\nn::URL<T>::URL(int a) {}\nURL::~URL() {}\n", "URL URL ~URL"),
        (
            "cpp",
            "class URL {\n  URL();\n  URL(int a) {}\n  int GET() const;\n};\n",
            "URL URL URL GET",
        ),
        ("c", "TEST(a, b) {}\nBEGIN_ALL\nALSO(int a);\nstatic LIST(a);\n", ""),
        ("c", "START(a)\nBEGIN_ALL\nALSO(int a);\n", ""),
        ("c", "extern char *NAME_(start)(int);\nextern char *NAME_(a);\n", ""),
        ("c", "extern int f __P((int));\nextern char *__REDIRECT(f, (int a), g);\n", ""),
        ("cpp", "class A {\n  TEST(a);\n  Lock l AFTER(b);\n  T* t GUARDED_BY(l);\n};\n", "A"),
        ("cpp", "A::TEST(b) {}\nnamespace a {\nTEST_F(A, B) {}\n}\n", ""),
    ],
)
def test_functions_in_capitals_are_told_from_macros(language: str, source: str, names: str) -> None:
    """What has a type or its class's name is a function; what only looks like one is not."""
    definitions = extract_outline(source.encode(), language).definitions
    functions = [each.name for each in definitions if each.kind is not Kind.VARIABLE]
    assert functions == names.split()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("struct A {\n  bool operator==(const A&) const;\n};\n", "operator=="),
        ("struct A {\n  T& operator [] (int a) { return b; }\n};\n", "operator[]"),
        ("struct A {\n  void* operator new(size_t a);\n};\n", "operator new"),
        ("struct A {\n  explicit operator bool() const;\n};\n", "operator bool"),
        (
            "struct A {\n  operator const char *() const { return a; }\n};\n",
            "operator const char *",
        ),
        ("bool A::operator<(const A& a) const {}\n", "operator<"),
        ("template <class T>\nT* n::A<T>::operator->() {}\n", "operator->"),
        ("n::A::operator F<void()>() const {}\n", "operator F<void()>"),
        ("std::ostream& operator<<(std::ostream& a, const A& b) {}\n", "operator<<"),
        ("bool operator==(const A& a, const A& b);\n", "operator=="),
        ('A operator""_km(long double a) {}\n', 'operator""_km'),
        ("int operators(int a) {}\n", "operators"),
    ],
)
def test_operators_have_names(source: str, name: str) -> None:
    """What C++ calls without its name is found by it, written in one way."""
    assert extract_outline(source.encode(), "cpp").definitions[-1].name == name


def test_unknown_files_have_no_language() -> None:
    """What is not in the table is left alone, whatever its name looks like."""
    assert assign_languages(
        ["README.md", "py", ".py", "a.PY", "Rakefile", "x/Makefile"]
    ).keys() == {
        "a.PY",
        "Rakefile",
    }
