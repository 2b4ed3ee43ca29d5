"""Units are found by their exact names, however many have the same one."""

import numpy as np
import pytest

from toolmesh_codesearch import columns as columns_module
from toolmesh_codesearch.columns import Columns, IndexedFile, make_columns
from toolmesh_codesearch.parts import FilePart, SourceFile, make_parts, units_of
from toolmesh_codesearch.queries import read_query
from toolmesh_codesearch.ranking import named_units
from toolmesh_codesearch.units import Unit
from toolmesh_codesearch.words import Vocabulary
from toolmesh_outlines.extraction import extract_outline

_VOCABULARY = Vocabulary()


def _columns(*sources: str, language: str = "python") -> Columns:
    files = [source.encode() for source in sources]
    outlines = [extract_outline(file, language, with_uses=False) for file in files]
    made = make_parts(
        [
            SourceFile(file, language, outline)
            for file, outline in zip(files, outlines, strict=True)
        ],
        _VOCABULARY,
    )
    indexed = [IndexedFile(f"f{at:04}.py", bytes(32), language) for at in range(len(files))]
    return make_columns(indexed, [each.part for each in made], _VOCABULARY)


def _named(columns: Columns, text: str, mask: np.ndarray | None = None) -> list[str]:
    """Return what a query names, the best first, each with its file."""
    found = named_units(read_query(text, _VOCABULARY), columns, mask)
    numbers = sorted(found, key=lambda number: -found[number])
    return [
        f"{columns.files[columns.unit_files[number]].path} {unit.qualified}"
        for number, unit in zip(numbers, columns.units(numbers), strict=True)
    ]


def _method(owner: str, name: str) -> str:
    return f"class {owner}:\n    def {name}(self): pass\n"


def test_a_qualified_name_is_found_among_very_many_namesakes() -> None:
    """By the names around it, as many as are given, and in any case; not by others."""
    many = [_method(f"C{at}", "run_it") for at in range(600)]
    inner = "class Shop:\n    class Cart:\n        def run_it(self): pass\n"
    columns = _columns(*many, inner)
    assert _named(columns, "Cart.run_it") == ["f0600.py Shop.Cart.run_it"]
    assert _named(columns, "shop.cart.run_it") == ["f0600.py Shop.Cart.run_it"]
    assert _named(columns, "Shop::C7.run_it") == []
    assert len(_named(columns, "run_it")) == 500


def test_of_many_namesakes_those_of_the_same_case_come_first() -> None:
    """Also when all of them are more than are looked at."""
    columns = _columns(*(_method("Box", "get") for _ in range(600)), _method("Tray", "Get"))
    named = _named(columns, "Get")
    assert (named[0], len(named)) == ("f0600.py Tray.Get", 500)


def test_a_filter_is_looked_at_before_very_many_are_cut() -> None:
    """What it lets through is found, and nothing else."""
    columns = _columns(*(_method("Box", "get") for _ in range(600)))
    mask = columns.unit_files == 599
    assert _named(columns, "get", mask) == ["f0599.py Box.get"]
    assert _named(columns, "Box.get", mask) == ["f0599.py Box.get"]


def test_names_that_are_nested() -> None:
    """Each name has those around it before it, whatever is around more."""
    columns = _columns(
        "".join(f"{'    ' * at}class L{at}:\n" for at in range(4)) + " " * 16 + "1\n"
    )
    for outer in range(3):
        name = ".".join(f"L{at}" for at in range(outer, 4))
        assert _named(columns, name) == ["f0000.py L0.L1.L2.L3"]
        assert _named(columns, name.replace(f"L{outer}", "L9")) == []


@pytest.mark.parametrize(
    ("language", "source", "text", "name"),
    [
        ("ruby", "class A\n  def valid?\n    1\n  end\nend\n", "what of valid? fails", "A.valid?"),
        ("ruby", "class A\n  def save!\n    1\n  end\nend\n", "who calls A#save!", "A.save!"),
        ("elixir", "defmodule A do\n  def ok?(x), do: x\nend\n", "ok?", "A.ok?"),
        ("javascript", "function $get() { return 1 }\n", "where is $get?", "$get"),
    ],
)
def test_names_with_marks(language: str, source: str, text: str, name: str) -> None:
    """They are found as each language writes them."""
    assert _named(_columns(source, language=language), text) == [f"f0000.py {name}"]


def test_names_are_looked_up_without_a_look_at_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """And of the hits that are shown, each file is decoded once."""
    columns = _columns("\n".join(_method(f"C{at % 50}", "get") for at in range(600)))
    decoded: list[FilePart] = []

    def units(part: FilePart) -> list[Unit]:
        decoded.append(part)
        return units_of(part)

    monkeypatch.setattr(columns_module, "units_of", units)
    found = named_units(read_query("get", _VOCABULARY), columns, None)
    assert (len(found), decoded) == (500, [])
    assert {unit.name for unit in columns.units(list(found))} == {"get"}
    assert decoded == list(columns.parts)
