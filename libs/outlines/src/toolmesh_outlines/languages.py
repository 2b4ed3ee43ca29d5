"""Which language a file is written in, by its name, and what extraction must know about each."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from posixpath import basename, splitext


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """A language that maps can read.

    Files use names of their own `family` of languages alone.
    `grammar` is the tree-sitter grammar's name in the language pack, `queries` the query files that
    make up its query. `import_separator` parts the names of an import. `constructors` are function
    names that mean a constructor inside a class. `annotations` are node types that stand before a
    definition's header and are no part of it. With an `implicit_receiver`, a name that stands alone
    can be a method of the class around it. `prefixes` are what a header lacks, by node type.
    `import_value` matches the value of a variable that is but an import. With `clauses`, a function
    is defined by several definitions in a row. `name_separator` parts names that a grammar gives
    as one: `A.B`, which uses call `B`. `definition_depth` is how deep in the tree definitions are
    looked for, 0 for no limit: most of what is deeper is inside of functions, and a walk over the
    whole tree costs up to a tenth of all. Of what is inside of a function, such as a class, only
    what is not below `local_depth` counts: what is deeper, no other file uses.
    """

    name: str
    grammar: str
    family: str
    queries: tuple[str, ...]
    extensions: tuple[str, ...]
    file_names: tuple[str, ...] = ()
    import_separator: str = "/"
    constructors: frozenset[str] = frozenset()
    annotations: frozenset[str] = frozenset()
    line_comment: str = "//"
    implicit_receiver: bool = False
    prefixes: dict[str, str] = field(default_factory=dict[str, str])
    import_value: str = ""
    clauses: bool = False
    name_separator: str = ""
    definition_depth: int = 0
    local_depth: int = 0


# `const x = require('y')`
_JAVASCRIPT_IMPORT = r"(?:await\s+)?(?:require|import)\("
_OCAML_PREFIXES = {
    "let_binding": "let ",
    "type_binding": "type ",
    "module_binding": "module ",
    "class_binding": "class ",
}

LANGUAGES = (
    Language(
        name="python",
        grammar="python",
        family="python",
        queries=("python",),
        extensions=(".py", ".pyi", ".pyw"),
        file_names=("SConstruct", "SConscript", "wscript"),
        import_separator=".",
        constructors=frozenset({"__init__"}),
        line_comment="#",
        definition_depth=10,
        local_depth=8,
    ),
    Language(
        name="go",
        grammar="go",
        family="go",
        queries=("go",),
        extensions=(".go",),
        prefixes={
            "type_spec": "type ",
            "type_alias": "type ",
            "const_spec": "const ",
            "var_spec": "var ",
        },
        definition_depth=5,
    ),
    Language(
        name="javascript",
        grammar="javascript",
        family="ecmascript",
        queries=("ecmascript", "jsx", "javascript"),
        extensions=(".js", ".mjs", ".cjs", ".jsx"),
        constructors=frozenset({"constructor"}),
        annotations=frozenset({"decorator"}),
        import_value=_JAVASCRIPT_IMPORT,
    ),
    Language(
        name="typescript",
        grammar="typescript",
        family="ecmascript",
        queries=("ecmascript", "typescript"),
        extensions=(".ts", ".mts", ".cts"),
        constructors=frozenset({"constructor"}),
        annotations=frozenset({"decorator"}),
        import_value=_JAVASCRIPT_IMPORT,
    ),
    Language(
        name="tsx",
        grammar="tsx",
        family="ecmascript",
        queries=("ecmascript", "jsx", "typescript"),
        extensions=(".tsx",),
        constructors=frozenset({"constructor"}),
        annotations=frozenset({"decorator"}),
        import_value=_JAVASCRIPT_IMPORT,
    ),
    Language(
        name="rust",
        grammar="rust",
        family="rust",
        queries=("rust",),
        extensions=(".rs",),
        import_separator="::",
        constructors=frozenset({"new"}),
        definition_depth=8,
    ),
    Language(
        name="java",
        grammar="java",
        family="java",
        queries=("java",),
        extensions=(".java",),
        import_separator=".",
        annotations=frozenset({"annotation", "marker_annotation"}),
        implicit_receiver=True,
        definition_depth=12,
        local_depth=8,
    ),
    Language(
        name="c",
        grammar="c",
        family="c",
        queries=("c",),
        extensions=(".c", ".h"),
        implicit_receiver=True,
        definition_depth=24,
        local_depth=8,
    ),
    Language(
        name="cpp",
        grammar="cpp",
        family="c",
        queries=("c", "cpp"),
        extensions=(".cc", ".cpp", ".cxx", ".c++", ".hh", ".hpp", ".hxx", ".h++", ".ipp", ".inl"),
        implicit_receiver=True,
        definition_depth=24,
        local_depth=10,
    ),
    Language(
        name="csharp",
        grammar="csharp",
        family="csharp",
        queries=("csharp",),
        extensions=(".cs",),
        import_separator=".",
        annotations=frozenset({"attribute_list"}),
        implicit_receiver=True,
    ),
    Language(
        name="ruby",
        grammar="ruby",
        family="ruby",
        queries=("ruby",),
        extensions=(".rb", ".rake", ".gemspec", ".ru"),
        file_names=("Rakefile", "Gemfile", "Guardfile", "Vagrantfile"),
        constructors=frozenset({"initialize"}),
        line_comment="#",
        implicit_receiver=True,
    ),
    Language(
        name="php",
        grammar="php",
        family="php",
        queries=("php",),
        extensions=(".php", ".phtml"),
        import_separator="\\",
        constructors=frozenset({"__construct"}),
        annotations=frozenset({"attribute_list"}),
    ),
    Language(
        name="kotlin",
        grammar="kotlin",
        family="java",
        queries=("kotlin",),
        extensions=(".kt", ".kts"),
        import_separator=".",
        annotations=frozenset({"annotation"}),
        implicit_receiver=True,
    ),
    Language(
        name="swift",
        grammar="swift",
        family="swift",
        queries=("swift",),
        extensions=(".swift",),
        import_separator=".",
        annotations=frozenset({"attribute"}),
        implicit_receiver=True,
    ),
    Language(
        name="scala",
        grammar="scala",
        family="java",
        queries=("scala",),
        extensions=(".scala", ".sc", ".sbt"),
        import_separator=".",
        constructors=frozenset({"this"}),
        annotations=frozenset({"annotation"}),
        implicit_receiver=True,
    ),
    Language(
        name="lua",
        grammar="lua",
        family="lua",
        queries=("lua",),
        extensions=(".lua",),
        import_separator=".",
        line_comment="--",
        import_value=r"require\b",
    ),
    Language(
        name="bash",
        grammar="bash",
        family="bash",
        queries=("bash",),
        extensions=(".sh", ".bash", ".bats", ".zsh", ".ksh"),
        file_names=(".bashrc", ".bash_profile", ".profile", ".zshrc", "PKGBUILD", "APKBUILD"),
        line_comment="#",
    ),
    Language(
        name="elixir",
        grammar="elixir",
        family="elixir",
        queries=("elixir",),
        extensions=(".ex", ".exs"),
        import_separator=".",
        line_comment="#",
        implicit_receiver=True,
        clauses=True,
        name_separator=".",
    ),
    Language(
        name="haskell",
        grammar="haskell",
        family="haskell",
        queries=("haskell",),
        extensions=(".hs", ".hs-boot"),
        import_separator=".",
        line_comment="--",
        implicit_receiver=True,
        clauses=True,
    ),
    Language(
        name="ocaml",
        grammar="ocaml",
        family="ocaml",
        queries=("ocaml", "ocaml_implementation"),
        extensions=(".ml",),
        import_separator=".",
        line_comment="",
        prefixes=_OCAML_PREFIXES,
    ),
    Language(
        name="ocaml_interface",
        grammar="ocaml_interface",
        family="ocaml",
        queries=("ocaml",),
        extensions=(".mli",),
        import_separator=".",
        line_comment="",
        prefixes=_OCAML_PREFIXES,
    ),
    Language(
        name="zig",
        grammar="zig",
        family="zig",
        queries=("zig",),
        extensions=(".zig", ".zon"),
        import_value=r"@import\(",
    ),
    Language(
        name="hcl",
        grammar="hcl",
        family="hcl",
        queries=("hcl",),
        extensions=(".tf", ".hcl", ".tofu"),
        line_comment="#",
    ),
    Language(
        name="sql",
        grammar="sql",
        family="sql",
        queries=("sql",),
        extensions=(".sql", ".ddl", ".psql", ".pgsql"),
        line_comment="--",
    ),
    Language(
        name="protobuf",
        grammar="proto",
        family="protobuf",
        queries=("protobuf",),
        extensions=(".proto",),
        implicit_receiver=True,
    ),
)


@cache
def language_named(name: str) -> Language:
    """Return the language of that name; KeyError if there is none."""
    return {language.name: language for language in LANGUAGES}[name]


@cache
def _by_extension() -> dict[str, Language]:
    return {ext: language for language in LANGUAGES for ext in language.extensions}


@cache
def _by_file_name() -> dict[str, Language]:
    return {name: language for language in LANGUAGES for name in language.file_names}


def is_source_extension(extension: str) -> bool:
    """Tell whether files with that extension are in a language that maps can read."""
    return extension.lower() in _by_extension()


def assign_languages(paths: Iterable[str]) -> dict[str, Language]:
    """Return the language of each path that is in one that maps can read.

    A `.h` file is C, unless the tree has C++ files too: C++'s grammar reads nearly all of C.
    """
    by_extension, by_file_name = _by_extension(), _by_file_name()
    languages: dict[str, Language] = {}
    headers: list[str] = []
    has_cpp = False
    for path in paths:
        extension = splitext(path)[1].lower()
        language = by_extension.get(extension) or by_file_name.get(basename(path))
        if language is None:
            continue
        if extension == ".h":
            headers.append(path)
        has_cpp = has_cpp or language.name == "cpp"
        languages[path] = language
    if has_cpp:
        languages.update(dict.fromkeys(headers, language_named("cpp")))
    return languages
