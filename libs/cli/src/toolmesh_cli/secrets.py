"""Values that only their owner may see: the fields that a proto marks `debug_redact`.

They are no part of a command line, which other users of the machine can read.
"""

import sys

import click
from google.protobuf.descriptor import FieldDescriptor

from toolmesh_cli.failures import CliError, ExitCode


def is_secret(field: FieldDescriptor) -> bool:
    """Whether the field holds a password, a key or a token."""
    return field.GetOptions().debug_redact


def ask_secret(field: FieldDescriptor, *, again: bool = False) -> str:
    """Asks for a secret on the terminal; where there is none, reads a line from stdin.

    Args:
        again: whether a person must type it twice, as one does who chooses it.

    Raises:
        CliError: stdin has no line left, or the second one was another.
    """
    return ask_line(field.name.replace("_", " "), again=again)


def ask_line(what: str, *, again: bool = False) -> str:
    """The same for a secret that is no field's."""
    if not sys.stdin.isatty():
        line = sys.stdin.readline()
        if not line:
            raise CliError(
                f"stdin has no {what}",
                exit_code=ExitCode.USAGE,
                hint="run it on a terminal to be asked, or pipe a line into it",
            )
        return line.rstrip("\r\n")
    title = what[:1].upper() + what[1:]
    value = click.prompt(title, hide_input=True, default="", show_default=False, err=True)
    if again and value != click.prompt(
        f"{title} again", hide_input=True, default="", show_default=False, err=True
    ):
        raise CliError(f"the two {what}s differ", exit_code=ExitCode.USAGE)
    return value
