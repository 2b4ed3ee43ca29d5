"""Finds a method by any of its names."""

from collections.abc import Iterator
from difflib import get_close_matches

from toolmesh_cli.arguments import kebab
from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.mesh_contract import contract, groups
from toolmesh_contracts.contract import Method


def find_method(name: str) -> Method:
    """The method of that name: a tool's, a method's, `group.command`, or a gRPC path.

    Raises:
        CliError: there is none, or there are several.
    """
    wanted = name.strip("/").replace("/", ".")
    by_name: dict[str, list[Method]] = {}
    for method in contract().methods:
        for known in _names(method):
            by_name.setdefault(known, []).append(method)
    for group, commands in groups().items():
        for command, method in commands.items():
            same = by_name.setdefault(f"{group}.{command}", [])
            if method not in same:
                same.append(method)
    found = by_name.get(wanted) or by_name.get(_loose(wanted), [])
    if len(found) == 1:
        return found[0]
    if found:
        paths = ", ".join(method.path for method in found)
        raise CliError(f"{name!r} could be any of {paths}", exit_code=ExitCode.USAGE)
    close = get_close_matches(wanted, by_name, n=1)
    hint = f"did you mean {close[0]}?" if close else "`toolmesh --help` lists the commands"
    raise CliError(f"no method or tool {name!r}", exit_code=ExitCode.USAGE, hint=hint)


def _names(method: Method) -> Iterator[str]:
    full = method.path.strip("/").replace("/", ".")
    proto_service = full.split(".")[-2]
    names = {full, f"{method.service}.{proto_service}.{method.name}"}
    names.add(f"{method.service}.{kebab(method.name)}")
    names |= {method.name, kebab(method.name)}
    if method.tool:
        names.add(method.tool.name)
    yield from names


def _loose(name: str) -> str:
    """`repomap.Map` or `identity.WhoAmI` as it is typed in a command: `identity.who-am-i`."""
    service, _, method = name.rpartition(".")
    return f"{service}.{kebab(method)}"
