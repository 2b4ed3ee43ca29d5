"""The commands that the contract describes: one group a service, one command a method."""

from functools import cache
from typing import Any

import click
from google.protobuf.descriptor import FieldDescriptor

from toolmesh_cli.arguments import build_request, enum_choices, kebab, typed_value, value_kind
from toolmesh_cli.calling import call_and_print
from toolmesh_cli.connection import Session
from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.pushed import pushed_workspace
from toolmesh_contracts.contract import Contract, Method
from toolmesh_contracts.field_rules import rules_of

# Options that every command has.
_RESERVED = ("json", "help")


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


def known_services() -> tuple[str, ...]:
    """The services with at least one method that can be called from a command line."""
    try:
        methods = contract().methods
    except CliError:
        return ()
    return tuple(sorted({method.service for method in methods if not method.client_streaming}))


def service_help(service: str) -> str:
    """The first sentences of the comments of a service's proto services."""
    services = {_proto_service(m): None for m in contract().methods if m.service == service}
    comments = (contract().comments.of(name) for name in services)
    return " ".join(
        comment.partition("\n")[0].split(". ")[0].rstrip(".") + "." for comment in comments
    )


class _ServiceGroup(click.Group):
    """Takes a command's name also without the service's own: `audit verify` is `verify-audit`."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or the only one that it is short for."""
        found = super().get_command(ctx, cmd_name)
        meant = [name for name in self.commands if _short(name, str(self.name)) == cmd_name]
        return self.commands[meant[0]] if found is None and len(meant) == 1 else found


def _short(name: str, service: str) -> str:
    return "-".join(word for word in name.split("-") if word not in (service, f"{service}s"))


def service_group(service: str) -> click.Group:
    """The commands of one service."""
    comments = {
        _proto_service(m): contract().comments.of(_proto_service(m))
        for m in contract().methods
        if m.service == service
    }
    group = _ServiceGroup(name=service, help="\n\n".join(comments.values()))
    for name, method in method_names(service).items():
        group.add_command(method_command(name, method))
    return group


def method_names(service: str) -> dict[str, Method]:
    """What is typed for each method of a service that takes one request.

    The method's name; the proto service's name comes before it where two would be the same.
    """
    names: dict[str, Method] = {}
    for method in contract().methods:
        if method.service != service or method.client_streaming:
            continue
        name = kebab(method.name)
        if name in names:
            owner = _proto_service(method).rpartition(".")[2].removesuffix("Service")
            name = f"{kebab(owner)}-{name}"
        names[name] = method
    return names


def method_command(name: str, method: Method) -> click.Command:
    """The command that calls one method; its options are the request's fields."""
    options = {_parameter(field): field for field in method.input.fields}

    def callback(**values: Any) -> None:
        as_json = values.pop("json")
        arguments = {
            options[parameter].name: _argument(options[parameter], value)
            for parameter, value in values.items()
            if value is not None and value != ()
        }
        session: Session = click.get_current_context().obj
        if method.tool is not None:
            _fill_workspace(method, arguments, session)
        request = build_request(method, arguments)
        call_and_print(session, method, request, as_json=as_json)

    parameters: list[click.Parameter] = [
        _option(method, field, parameter) for parameter, field in options.items()
    ]
    parameters.append(click.Option(["--json"], is_flag=True, help="Print the answer as JSON."))
    return click.Command(
        name,
        params=parameters,
        callback=callback,
        help=_help(method),
        short_help=method.comment.partition(". ")[0].rstrip("."),
    )


def _help(method: Method) -> str:
    access = method.policy.scope or ("nothing" if method.policy.public else "any valid token")
    lines = [method.comment, f"Needs: {access}. Takes {method.policy.timeout_seconds:g} s at most."]
    if method.tool:
        lines[1] += f" Tool: {method.tool.name}."
    return "\n\n".join(lines)


def _option(method: Method, field: FieldDescriptor, parameter: str) -> click.Option:
    flag = f"--{parameter.replace('_', '-')}"
    rules = rules_of(field)
    required = bool(rules and (rules.required or rules.min_items))
    help_text = contract().comments.of(field.full_name).replace("\n\n", " ")
    shared: dict[str, Any] = {"help": help_text, "required": required}
    if _has_workspace_default(method, field):
        shared |= {
            "required": False,
            "help": f"{help_text} Default: the one that this folder was last pushed to.",
        }
    if field.type == FieldDescriptor.TYPE_BOOL and not field.is_repeated:
        return click.Option([f"{flag}/--no-{flag[2:]}"], default=None, **shared)
    if field.enum_type is not None:
        kind: Any = click.Choice(list(enum_choices(field.enum_type)), case_sensitive=False)
        return click.Option([flag, parameter], type=kind, multiple=field.is_repeated, **shared)
    return click.Option(
        [flag, parameter],
        type=str,
        multiple=field.is_repeated and not _is_map(field),
        metavar=value_kind(field).upper().replace(" ", "-"),
        **shared,
    )


def _argument(field: FieldDescriptor, value: Any) -> Any:
    if isinstance(value, tuple):
        return [typed_value(field, item) for item in value]
    return value if isinstance(value, bool) else typed_value(field, value)


def _has_workspace_default(method: Method, field: FieldDescriptor) -> bool:
    return method.tool is not None and field.name == "workspace"


def _fill_workspace(method: Method, arguments: dict[str, Any], session: Session) -> None:
    """Lets a tool work on what the current folder was pushed to."""
    field = method.input.fields_by_name.get("workspace")
    if field is None or "workspace" in arguments:
        return
    known = pushed_workspace(session.target().url, environ=session.environ)
    if known is not None:
        arguments["workspace"] = known
        return
    rules = rules_of(field)
    if rules is not None and rules.required:
        raise CliError(
            "missing option '--workspace', and this folder was not pushed yet",
            exit_code=ExitCode.USAGE,
            hint="push it with `toolmesh push`, or name a workspace",
        )


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _parameter(field: FieldDescriptor) -> str:
    return f"{field.name}_field" if field.name in _RESERVED else field.name


def _proto_service(method: Method) -> str:
    return method.path.strip("/").partition("/")[0]
