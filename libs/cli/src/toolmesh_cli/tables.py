"""Tables for people: as wide as the terminal, or as wide as they are where there is none."""

import sys
from collections.abc import Sequence

import click


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()
) -> None:
    """Prints a table to stdout.

    Args:
        right: the columns to set flush right.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for index, column in enumerate(columns):
        table.add_column(
            column.upper(),
            justify="right" if column in right else "left",
            overflow="fold",
            # The first column is the name, which must stay whole.
            no_wrap=index == 0,
        )
    for row in rows:
        # Text, so that brackets are not taken for markup.
        table.add_row(*(Text(cell) for cell in row))
    width = None if sys.stdout.isatty() else _natural_width(columns, rows)
    console = Console(highlight=False, width=width)
    with console.capture() as capture:
        console.print(table)
    # Without the blanks that fill the last column.
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))


def print_pairs(pairs: Sequence[tuple[str, str]], *, err: bool = False) -> None:
    """Prints names and values in two columns, to stdout or to stderr."""
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        head = click.style(name.ljust(width), dim=True)
        click.echo(f"{head}  {value}", err=err)


def _natural_width(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    cells = [columns, *rows]
    # Wide characters take two columns.
    return sum(max(2 * len(row[i]) for row in cells) + 3 for i in range(len(columns))) + 1
