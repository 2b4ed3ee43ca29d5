"""The commands that the contract describes: a group for each noun, a command for each method."""

import asyncio
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import click
from google.protobuf.descriptor import FieldDescriptor

from toolmesh_cli.arguments import build_request, kebab
from toolmesh_cli.command_names import proto_service
from toolmesh_cli.connection import Session, connected, subject_of
from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.mesh_contract import contract, groups
from toolmesh_cli.pages import Wanted, is_paged
from toolmesh_cli.parameters import (
    Parameters,
    has_workspace_default,
    is_required,
    request_fields,
    request_json,
    rows_field,
    wrapper_of,
)
from toolmesh_cli.pushed import pushed_workspaces
from toolmesh_cli.suggestions import SuggestingGroup
from toolmesh_contracts.contract import Method

# Commands in a group that do more than one call: the module and the function that makes it.
_WRITTEN: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        ("audit", "tail"): "audit_tail:tail_command",
        ("audit", "verify"): "audit_verify:verify_command",
        ("roles", "assign"): "roles_assign:assign_command",
        ("roles", "withdraw"): "roles_assign:withdraw_command",
    }
)


def group_help(name: str) -> str:
    """The first sentences of the comments of a group's proto services."""
    comments = _comments(name)
    return " ".join(
        comment.partition("\n")[0].split(". ")[0].rstrip(".") + "." for comment in comments
    )


def command_group(name: str) -> click.Group:
    """The commands of one group."""
    group = SuggestingGroup(name=name, help="\n\n".join(_comments(name)))
    for command, method in groups()[name].items():
        group.add_command(method_command(command, method))
    for (owner, command), place in _WRITTEN.items():
        if owner == name:
            module, _, member = place.partition(":")
            written = importlib.import_module(f"toolmesh_cli.commands.{module}")
            group.add_command(getattr(written, member)(), command)
    return group


def _comments(group: str) -> list[str]:
    services = dict.fromkeys(proto_service(method) for method in groups()[group].values())
    return [contract().comments.of(service) for service in services]


def method_command(name: str, method: Method) -> click.Command:
    """The command that calls one method; its words and options are the request's fields."""
    parameters = Parameters(method, field_helps(method))

    def callback(**values: Any) -> None:
        from toolmesh_cli import calling

        as_json, limit = values.pop("json"), values.pop("limit", None)
        session: Session = click.get_current_context().obj
        if rows_field(method) is not None:
            calling.send_rows(session, method, parameters.rows(values), as_json=as_json)
            return
        arguments = parameters.arguments(values)
        _fill_workspace(method, arguments, session)
        request = build_request(method, request_json(method, arguments))
        wanted = Wanted(typed=_as_option, limit=limit)
        calling.call_and_print(session, method, request, wanted, as_json=as_json)

    known = list(parameters.click_parameters())
    if is_paged(method):
        known.append(limit_option())
    known.append(click.Option(["--json"], is_flag=True, help="Print the answer as JSON."))
    return click.Command(
        name,
        params=known,
        callback=callback,
        help=_help(method, asked_for=parameters.asked_for),
        short_help=method.comment.partition(". ")[0].rstrip("."),
    )


def _as_option(name: str, value: str) -> str:
    return f"--{kebab(name)}={value}"


def limit_option() -> click.Option:
    """How many items of a list are shown."""
    return click.Option(
        ["--limit"],
        type=click.IntRange(min=0),
        default=50,
        show_default="50",
        metavar="N",
        help="How many to show at most; 0: all.",
    )


def _help(method: Method, *, asked_for: Sequence[str]) -> str:
    access = method.policy.scope or ("nothing" if method.policy.public else "any valid token")
    lines = [method.comment]
    if wrapper_of(method) is not None:
        # What is different where a request stands in another one.
        lines.append(contract().comments.of(method.input.full_name))
    lines += [f"Needs: {access}. Takes {method.policy.timeout_seconds:g} s at most."]
    if method.tool:
        lines[-1] += f" Tool: {method.tool.name}."
    if asked_for:
        lines.append(f"Asks for, or reads as lines from stdin: {', '.join(asked_for)}.")
    return "\n\n".join(lines)


def field_helps(method: Method) -> dict[str, str]:
    """What the proto says of each field of a method's request."""
    return {field.name: _field_help(method, field) for field in request_fields(method)}


def _field_help(method: Method, field: FieldDescriptor) -> str:
    text = contract().comments.of(field.full_name).replace("\n\n", " ")
    if has_workspace_default(method, field):
        return f"{text} Default: the one that you last pushed this folder to."
    return text


def _fill_workspace(method: Method, arguments: dict[str, Any], session: Session) -> None:
    """Lets a command work on what its caller pushed the current folder to."""
    fields = (f for f in request_fields(method) if has_workspace_default(method, f))
    field = next(fields, None)
    if field is None or field.name in arguments:
        return
    known = pushed_workspaces(session.mesh_name(), Path.cwd(), environ=session.environ)
    subject = asyncio.run(_subject(session)) if known else ""
    if subject in known:
        arguments[field.name] = known[subject]
    elif is_required(field):
        raise _no_workspace(session, known, subject)


async def _subject(session: Session) -> str:
    async with connected(session) as channel:
        return await subject_of(channel)


def _no_workspace(session: Session, known: Mapping[str, str], subject: str) -> CliError:
    """The failure to find a default; `known` are the workspaces of others."""
    others = "".join(f"; {name} pushed it to {known[name]}" for name in sorted(known))
    who = f" as {subject}" if subject else ""
    return CliError(
        "missing option '--workspace', and no push of this folder"
        f"{who} to {session.target().url} is known{others}",
        exit_code=ExitCode.USAGE,
        hint="push it with `toolmesh push`, or name one that `toolmesh workspaces list` lists",
    )
