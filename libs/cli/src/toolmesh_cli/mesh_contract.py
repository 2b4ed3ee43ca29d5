"""The mesh's contract, read once, and which commands follow from it."""

from functools import cache
from typing import Final

from toolmesh_cli.command_names import Groups, command_groups
from toolmesh_cli.failures import CliError
from toolmesh_contracts.contract import Contract

# Commands that stand in no group.
BUILT_IN: Final = (
    *("up", "down", "status", "logs", "token", "whoami", "sign-in", "sign-out"),
    *("push", "tools", "call"),
)
# Methods that a flag of one of them calls: `sign-in --id-token`.
BY_FLAG: Final = ("sign-in-with-id-token",)


@cache
def contract() -> Contract:
    """The mesh's contract, read once.

    Raises:
        CliError: the stubs were not generated.
    """
    try:
        return Contract.load()
    except (FileNotFoundError, ModuleNotFoundError) as error:
        raise CliError(
            "the descriptors of the mesh are missing", hint="generate them with `make proto`"
        ) from error


@cache
def groups() -> Groups:
    """The methods that can be called from a command line, by group and by command.

    Raises:
        CliError: the stubs were not generated.
    """
    return command_groups(contract().methods, taken=BUILT_IN + BY_FLAG)
