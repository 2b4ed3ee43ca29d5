"""Which files an import means."""

import time
import tracemalloc

import pytest

from toolmesh_outlines.imports import import_paths
from toolmesh_outlines.languages import assign_languages, language_named
from toolmesh_repomap.import_resolution import ImportResolver

_TREE = [
    "src/shop/__init__.py",
    "src/shop/money.py",
    "src/shop/orders/__init__.py",
    "src/shop/orders/cart.py",
    "src/shop/orders/stock.py",
    "settings.py",
    "web/src/app.ts",
    "web/src/lib/api/index.ts",
    "web/src/lib/format.ts",
    "web/src/types.d.ts",
    "internal/money/amount.go",
    "internal/money/tax.go",
    "main.go",
    "java/src/main/java/com/example/Ledger.java",
    "java/src/main/java/com/example/money/Amount.java",
    "include/cache/cache.h",
    "lib/cache.cc",
    "lib/util.h",
    "core/src/lib.rs",
    "core/src/lexer.rs",
    "core/src/ast/mod.rs",
    "core/src/ast/node.rs",
    "app/Money/Amount.php",
    "app/Cart.php",
    "gem/lib/shop/retry.rb",
    "gem/lib/shop.rb",
]


@pytest.mark.parametrize(
    ("importer", "path", "found"),
    [
        ("src/shop/orders/cart.py", "shop/money", ["src/shop/money.py"]),
        ("src/shop/orders/cart.py", "shop/money/Amount", ["src/shop/money.py"]),
        ("src/shop/orders/cart.py", "./stock", ["src/shop/orders/stock.py"]),
        ("src/shop/orders/cart.py", "./", ["src/shop/orders/__init__.py"]),
        ("src/shop/orders/cart.py", "../money/zero", ["src/shop/money.py"]),
        ("src/shop/orders/cart.py", "settings", ["settings.py"]),
        ("src/shop/orders/cart.py", "os/path", []),
        ("src/shop/orders/cart.py", "json", []),
        ("src/shop/orders/cart.py", "../../../../../etc/passwd", []),
        ("web/src/app.ts", "./lib/api", ["web/src/lib/api/index.ts"]),
        ("web/src/app.ts", "./lib/format.js", ["web/src/lib/format.ts"]),
        ("web/src/app.ts", "./types", ["web/src/types.d.ts"]),
        ("web/src/app.ts", "@/lib/format", ["web/src/lib/format.ts"]),
        ("web/src/app.ts", "react", []),
        (
            "main.go",
            "example.com/shop/internal/money",
            ["internal/money/amount.go", "internal/money/tax.go"],
        ),
        ("main.go", "net/http", []),
        (
            "java/src/main/java/com/example/Ledger.java",
            "com/example/money/Amount",
            ["java/src/main/java/com/example/money/Amount.java"],
        ),
        (
            "java/src/main/java/com/example/Ledger.java",
            "com/example/money/Amount/zero",
            ["java/src/main/java/com/example/money/Amount.java"],
        ),
        ("lib/cache.cc", "cache/cache.h", ["include/cache/cache.h"]),
        ("lib/cache.cc", "util.h", ["lib/util.h"]),
        ("lib/cache.cc", "string", []),
        ("core/src/lib.rs", "./lexer", ["core/src/lexer.rs"]),
        ("core/src/lexer.rs", "crate/ast/node/Node", ["core/src/ast/node.rs"]),
        ("core/src/ast/node.rs", "super", ["core/src/ast/mod.rs"]),
        ("core/src/ast/mod.rs", "self/node/Node", ["core/src/ast/node.rs"]),
        ("core/src/ast/node.rs", "crate/lexer/Token", ["core/src/lexer.rs"]),
        ("app/Cart.php", "Shop/Money/Amount", ["app/Money/Amount.php"]),
        ("gem/lib/shop.rb", "shop/retry", ["gem/lib/shop/retry.rb"]),
    ],
)
def test_resolves(importer: str, path: str, found: list[str]) -> None:
    """An import means the files whose paths end like it, or lie where it says."""
    languages = assign_languages(_TREE)
    resolver = ImportResolver(_TREE, [languages[path].name for path in _TREE])
    resolved = resolver.resolve(_TREE.index(importer), path)
    assert [_TREE[index] for index in resolved] == found


def test_a_package_at_the_root_is_found_by_its_own_name() -> None:
    """When the tree is a package itself, its name is the first part of what its files import."""
    tree = ["__init__.py", "conf.py", "db.py"]
    resolver = ImportResolver(tree, ["python"] * 3)
    assert resolver.resolve(2, "shop/conf") == (1,)


@pytest.mark.parametrize(("count", "found"), [(2_000, 2_000), (2_001, 0)])
def test_what_may_be_thousands_of_files_is_none(count: int, found: int) -> None:
    """An import that more files than a package has may be meant by tells nothing."""
    tree = [f"d{number}/a/part.py" for number in range(count)]
    resolver = ImportResolver(tree, ["python"] * count)
    assert len(resolver.resolve(0, "a/part/name")) == found
    assert resolver.resolve(0, "./part") == (0,)


def _parts(first: int, stop: int) -> str:
    return "/".join(f"p{number}" for number in range(first, stop))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (f"{_parts(0, 20)}/m", (0,)),
        (f"{_parts(0, 20)}/m/name", (0,)),
        (f"{_parts(10, 20)}/m", (0,)),
        (f"mesh/{_parts(6, 20)}/m", (0,)),
        (f"{_parts(1, 20)}/m", (0,)),
        (f"{_parts(0, 64)}/m", (1,)),
        ("p63/m", (1,)),
        (f"{_parts(0, 65)}/m", ()),
        ("p64/m", ()),
    ],
)
def test_deep_paths_are_told_by_their_last_parts(path: str, found: tuple[int, ...]) -> None:
    """Sixteen parts at the end of a path tell it; what lies too deep is no one's import."""
    tree = [f"{_parts(0, depth)}/m.py" for depth in (20, 64, 65)]
    assert ImportResolver(tree, ["python"] * 3).resolve(0, path) == found


def test_no_import_leads_out_of_a_file_that_lies_too_deep() -> None:
    """A file at such a depth imports nothing, not even from its own folder."""
    tree = [f"{_parts(0, 65)}/{name}.py" for name in "ab"]
    assert ImportResolver(tree, ["python"] * 2).resolve(0, "./b") == ()


def test_deep_paths_take_no_more_memory_than_their_depth() -> None:
    """Paths and parts as long as a manifest may have them do not multiply."""
    tree = [
        f"{part * (4_000 // len(part))}m{n}.py"
        for n in range(50)
        for part in ("a/", "b" * 63 + "/")
    ]
    tracemalloc.start()
    try:
        resolver = ImportResolver(tree, ["python"] * len(tree))
        assert resolver.resolve(0, "/".join("a" * 500)) == ()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


def test_long_imports_take_no_more_time_than_their_parts() -> None:
    """Imports as long as can be: some milliseconds, not the square of their parts."""
    resolver = ImportResolver(["a.py"], ["python"])
    started = time.process_time()
    for number in range(400):
        assert resolver.resolve(0, "/".join("a" * 500) + f"/b{number}") == ()
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("language", "text", "item", "paths"),
    [
        ("python", "a.b", "", ["a/b"]),
        ("python", "..a.b", "c", ["../a/b/c"]),
        ("python", ".", "c", ["./c"]),
        ("go", '"example.com/a"', "", ["example.com/a"]),
        ("c", "<sys/stat.h>", "", ["sys/stat.h"]),
        ("javascript", "'./a b'", "", []),
        ("rust", "a::{b, c::{d, e as f}, self}", "", ["a/b", "a/c/d", "a/c/e", "a"]),
        ("rust", "a::{" * 50, "", []),
        ("php", "A\\B", "C", ["A/B/C"]),
        ("java", "a.b.C", "", ["a/b/C"]),
    ],
)
def test_reads_imports(language: str, text: str, item: str, paths: list[str]) -> None:
    """Whatever a language writes becomes paths; what is no path is left out."""
    assert import_paths(text, item, language_named(language)) == paths
