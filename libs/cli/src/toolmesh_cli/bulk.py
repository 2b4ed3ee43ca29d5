"""Many items from a file: sent in parts, and told by the line that each came from."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import click
from google.protobuf.descriptor import FieldDescriptor

from toolmesh_cli.answers import print_json
from toolmesh_cli.facts import enum_text
from toolmesh_cli.rows import Rows
from toolmesh_cli.wording import number
from toolmesh_contracts.field_rules import rules_of


def chunks_of(
    field: FieldDescriptor, items: Sequence[dict[str, Any]]
) -> Iterator[Sequence[dict[str, Any]]]:
    """The items in parts that are as large as the field may be."""
    rules = rules_of(field)
    most = rules.max_items if rules and rules.HasField("max_items") else len(items)
    for begin in range(0, len(items), most):
        yield items[begin : begin + most]


def print_outcomes(answer: Any, rows: Rows, *, as_json: bool) -> int:
    """Shows what became of the rows: how many of which result, and each that has a `message`.

    Returns:
        how many have one, which are those that failed.
    """
    field = next(field for field in answer.DESCRIPTOR.fields if field.is_repeated)
    outcomes: list[Any] = list(getattr(answer, field.name))
    failed = [(i, each.message) for i, each in enumerate(outcomes) if each.message]
    if as_json:
        print_json(answer)
        return len(failed)
    results = [f for f in field.message_type.fields if f.enum_type is not None]
    words = Counter(enum_text(f.enum_type, getattr(o, f.name)) for o in outcomes for f in results)
    counted = ", ".join(f"{count:,} {word}" for word, count in words.most_common())
    click.echo(f"{number(len(outcomes), 'row')}: {counted}")
    for index, message in failed:
        click.echo(f"line {rows.lines[index]}: {message}", err=True)
    return len(failed)
