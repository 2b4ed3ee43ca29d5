"""Commands come from the contract."""

from collections.abc import Callable
from typing import Any

import click
import pytest

from toolmesh_cli.derived import (
    contract,
    known_services,
    method_command,
    method_names,
    service_group,
)
from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.method_names import find_method
from toolmesh_cli.pushed import remember_push

MAP = "/toolmesh.repomap.v1.RepomapService/Map"


def test_every_method_with_one_request_is_a_command() -> None:
    """Each has exactly one command; those that take a stream have none."""
    names = [(s, name) for s in known_services() for name in method_names(s)]
    callable_methods = [m for m in contract().methods if not m.client_streaming]
    assert len(set(names)) == len(names) == len(callable_methods)
    assert ("repomap", "map") in names
    assert ("identity", "who-am-i") in names
    assert ("workspace", "push") not in names


@pytest.mark.parametrize(
    ("service", "short", "name"),
    [
        ("audit", "verify", "verify-audit"),
        ("audit", "list-events", "list-audit-events"),
        ("workspace", "list", "list-workspaces"),
        ("workspace", "list-workspaces", "list-workspaces"),
        ("workspace", "nosuch", None),
    ],
)
def test_the_services_own_name_may_be_left_out(service: str, short: str, name: str | None) -> None:
    """Who typed the service once need not type it twice."""
    group = service_group(service)
    command = group.get_command(click.Context(group), short)
    assert (command and command.name) == name


def test_options_are_the_requests_fields() -> None:
    """Each field is an option with the proto's comment as its help."""
    command = method_command("map", contract().by_path[MAP])
    options = {option.name: option for option in command.params if isinstance(option, click.Option)}
    fields = set(contract().by_path[MAP].input.fields_by_name)
    assert set(options) == fields | {"json"}
    assert "4096" in (options["max_tokens"].help or "")
    assert options["focus_paths"].multiple
    assert options["max_tokens"].opts == ["--max-tokens"]


def test_required_fields_are_required_options() -> None:
    """A rule in the proto is a rule of the command; a tool's workspace has a default instead."""
    path = "/toolmesh.workspace.v1.WorkspaceService/DeleteWorkspace"
    deletion = method_command("delete-workspace", contract().by_path[path])
    assert next(option for option in deletion.params if option.name == "workspace").required
    drawing = method_command("map", contract().by_path[MAP])
    assert not next(option for option in drawing.params if option.name == "workspace").required


@pytest.mark.parametrize(
    "arguments", [("--help",), ("repomap", "--help"), ("repomap", "map", "-h")]
)
def test_help_needs_no_mesh(toolmesh: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    """Help is shown without asking any mesh, and the services are in it."""
    ran = toolmesh(*arguments)
    assert ran.code == ExitCode.OK
    assert "map" in ran.out


def test_help_of_every_command_is_shown(toolmesh: Callable[..., Any]) -> None:
    """No command's help fails."""
    built_in = ("up", "down", "status", "logs", "token", "whoami", "push", "tools", "call")
    derived = [(service, name) for service in known_services() for name in method_names(service)]
    for words in (*((name,) for name in built_in), *derived):
        ran = toolmesh(*words, "--help")
        assert (words, ran.code) == (words, 0)
        assert ran.out.startswith("Usage: toolmesh")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nope",), "No such command 'nope'"),
        (("repomap", "nope"), "No such command 'nope'"),
        (("repomap", "map", "--nope"), "No such option"),
        (("workspace", "get-workspace"), "Missing option '--workspace'"),
        (("repomap", "map", "--max-tokens", "x", "--workspace", "w"), "integer is needed"),
        (("push", "--workspace", "a", "--new"), "exclude each other"),
        (("call", "nope"), "no method or tool 'nope'"),
        (("call", "push"), "stream of requests"),
    ],
)
def test_wrong_usage_exits_with_2(
    toolmesh: Callable[..., Any], arguments: tuple[str, ...], message: str
) -> None:
    """One line says what is wrong, on stderr alone."""
    ran = toolmesh(*arguments)
    assert ran.code == ExitCode.USAGE
    assert ran.out == ""
    assert ran.err.startswith("error: ")
    assert message in ran.err


def test_a_tool_needs_a_workspace_that_is_known(toolmesh: Callable[..., Any]) -> None:
    """Without a push of this folder the option is missing, and the message says how to go on."""
    ran = toolmesh("repomap", "map")
    assert ran.code == ExitCode.USAGE
    assert "toolmesh push" in ran.err


def test_a_pushed_folder_is_the_tools_workspace(
    toolmesh: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """What the folder was pushed to is used, so the call gets as far as the mesh."""
    monkeypatch.chdir(tmp_path)
    environ = {"XDG_STATE_HOME": str(tmp_path / "xdg_state_home")}
    remember_push("http://127.0.0.1:8080", tmp_path, "w-1", environ=environ)
    ran = toolmesh("repomap", "map")
    assert ran.code == ExitCode.UNAVAILABLE


@pytest.mark.parametrize(
    "name",
    [
        "repomap_map",
        "Map",
        "map",
        "repomap.Map",
        "repomap.map",
        "repomap.RepomapService.Map",
        "toolmesh.repomap.v1.RepomapService.Map",
        "/toolmesh.repomap.v1.RepomapService/Map",
    ],
)
def test_a_method_is_found_by_any_of_its_names(name: str) -> None:
    """Tool names, short names and gRPC paths all lead to the method."""
    assert find_method(name).path == MAP


def test_an_unknown_method_gets_a_guess() -> None:
    """A slip of the pen is answered with the nearest name."""
    with pytest.raises(CliError) as caught:
        find_method("repomap_mpa")
    assert "repomap_map" in caught.value.hint
