"""Commands come from the contract."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click
import pytest
from google.protobuf.descriptor import FieldDescriptor

from toolmesh_cli.app import run
from toolmesh_cli.arguments import kebab
from toolmesh_cli.command_names import command_groups
from toolmesh_cli.derived import command_group, method_command
from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.mesh_contract import BUILT_IN, BY_FLAG, contract, groups
from toolmesh_cli.method_names import find_method
from toolmesh_cli.parameters import has_workspace_default, request_fields
from toolmesh_cli.pushed import remember_push
from toolmesh_cli.secrets import is_secret

MAP = "/toolmesh.repomap.v1.RepomapService/Map"


def test_every_method_with_one_request_is_a_command() -> None:
    """Each has exactly one command; those that take a stream have none."""
    shown = [method.path for commands in groups().values() for method in commands.values()]
    named = {
        m.path
        for m in contract().methods
        if not m.client_streaming and kebab(m.name) not in BUILT_IN + BY_FLAG
    }
    assert len(shown) == len(set(shown))
    assert set(shown) == named
    assert "sign-in" not in groups()["sessions"]


@pytest.mark.parametrize(
    ("group", "command", "method"),
    [
        ("users", "list", "UserService/ListUsers"),
        ("users", "set-password", "UserService/SetPassword"),
        ("keys", "rotate", "ApiKeyService/RotateApiKey"),
        ("sessions", "end", "SessionService/EndSession"),
        ("workspaces", "get-manifest", "WorkspaceService/GetManifest"),
        ("audit", "list", "AuditService/ListAuditEvents"),
        ("audit", "anchors", "AuditService/ListAuditAnchors"),
        ("audit", "verify", "AuditService/VerifyAudit"),
        ("catalog", "list", "CatalogService/ListTools"),
        ("catalog", "get-status", "StatusService/GetStatus"),
        ("identity", "exchange-token", "TokenService/ExchangeToken"),
        ("repomap", "map", "RepomapService/Map"),
    ],
)
def test_a_command_is_a_noun_and_what_is_done_to_it(group: str, command: str, method: str) -> None:
    """The noun is what a proto service lists, else the deployable; the rest is not said twice."""
    assert groups()[group][command].path.endswith(method)


def test_services_of_one_noun_keep_their_whole_names() -> None:
    """Where two would be the same group, or a built-in command is, all words are typed."""
    lists = {m.name: m for m in contract().methods if m.name in ("ListApiKeys", "ListUsers")}
    other = replace(
        lists["ListApiKeys"],
        name="ListSigningKeys",
        path="/toolmesh.x.v1.SigningKeyService/ListSigningKeys",
    )
    assert list(command_groups([lists["ListApiKeys"], other])) == ["api-keys", "signing-keys"]
    assert list(command_groups([lists["ListApiKeys"]], taken=["keys"])) == ["api-keys"]


def test_two_methods_of_one_short_name_are_both_there() -> None:
    """The second one is called by its whole name."""
    map_ = contract().by_path[MAP]
    other = replace(map_, name="MapRepomap", path="/toolmesh.repomap.v1.RepomapService/MapRepomap")
    commands = command_groups([map_, other])["repomap"]
    assert {name: method.name for name, method in commands.items()} == {
        "map": "Map",
        "map-repomap": "MapRepomap",
    }


def test_the_id_is_a_word_and_not_an_option() -> None:
    """What the HTTP path names, and the id of something new, is typed without a flag."""
    for command in ("get", "create", "delete", "set-password"):
        made = method_command(command, groups()["users"][command])
        assert [p.name for p in made.params if isinstance(p, click.Argument)] == ["id"]
    assert not any(
        isinstance(p, click.Argument) for p in method_command("m", contract().by_path[MAP]).params
    )


def test_no_secret_has_an_option_for_its_value() -> None:
    """A command line can be read by others: passwords are asked for."""
    for commands in groups().values():
        for name, method in commands.items():
            secret = {field.name for field in method.input.fields if is_secret(field)}
            for option in method_command(name, method).params:
                assert option.name not in secret or option.is_flag  # ty: ignore[missing-attribute]


def test_pages_are_not_a_persons_matter() -> None:
    """A list has `--limit`, and neither a page's size nor its token."""
    names = {p.name for p in method_command("list", groups()["users"]["list"]).params}
    assert names == {"limit", "json"}


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
    creation = method_command("create", groups()["keys"]["create"])
    assert next(option for option in creation.params if option.name == "roles").required
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
    derived = [(name, command) for name in groups() for command in command_group(name).commands]
    assert ("audit", "tail") in derived
    for words in (*((name,) for name in BUILT_IN), *derived):
        ran = toolmesh(*words, "--help")
        assert (words, ran.code) == (words, 0)
        assert ran.out.startswith("Usage: toolmesh")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nope",), "no command 'nope'"),
        (("repomap", "nope"), "no command 'nope'"),
        (("usres", "list"), "did you mean `toolmesh users`"),
        (("users", "lst"), "did you mean `toolmesh users list`"),
        (("identity", "list-users"), "did you mean `toolmesh users list`"),
        (("users", "provision"), "Missing option '--file'"),
        (("keys", "create", "--display-name", "x"), "Missing option '--roles'"),
        (("audit", "list", "--start-time", "soon"), "+30d"),
        (("repomap", "map", "--nope"), "No such option"),
        (("workspaces", "get"), "Missing argument 'WORKSPACE'"),
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
    remember_push(
        "http://127.0.0.1:8080", tmp_path, subject="ann", workspace="w-1", environ=environ
    )
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


def test_a_method_is_found_by_its_command() -> None:
    """What is typed as two words leads to it as well."""
    assert find_method("keys.rotate").name == "RotateApiKey"


def test_an_unknown_method_gets_a_guess() -> None:
    """A slip of the pen is answered with the nearest name."""
    with pytest.raises(CliError) as caught:
        find_method("repomap_mpa")
    assert "repomap_map" in caught.value.hint


def test_no_field_that_holds_a_secret_is_typed_on_a_command_line() -> None:
    """By its name: passwords, keys and tokens, but for those of pages."""
    secret = re.compile(r"(password|api_key|(access|refresh|id|subject)_token)$")
    fields = [
        f for method in contract().methods for f in (*method.input.fields, *method.output.fields)
    ]
    texts = [f for f in fields if secret.search(f.name) and f.message_type is None]
    texts = [f for f in texts if f.type == FieldDescriptor.TYPE_STRING]
    assert len({f.full_name for f in texts}) >= 12
    assert [f.full_name for f in texts if not is_secret(f)] == []


def test_a_command_that_asks_for_a_secret_says_so() -> None:
    """In its help, since there is no option to be seen."""
    command = method_command("delegate-token", groups()["identity"]["delegate-token"])
    assert command.help is not None
    assert "Asks for, or reads as lines from stdin: subject token." in command.help


def test_a_group_alone_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    """As help, not as an error."""
    assert run(["users"]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("Usage: toolmesh users")


@pytest.mark.parametrize("command", ["export-sarif", "watch-scan"])
def test_a_request_in_a_request_is_typed_by_its_own_fields(command: str) -> None:
    """The options are those of the command that takes the inner one alone, but for its bounds."""
    scan = {p.name: p for p in method_command("scan", groups()["semgrep"]["scan"]).params}
    made = method_command(command, groups()["semgrep"][command])
    options = {p.name: p for p in made.params}
    assert set(options) == set(scan) - {"max_tokens", "page_token"}
    for name, option in options.items():
        assert isinstance(option, click.Option)
        assert (option.help, option.required) == (scan[name].help, scan[name].required)


def test_only_commands_that_change_nothing_or_are_tools_take_the_folders_workspace() -> None:
    """And none where the workspace is a word: `workspaces delete` names it."""
    taking = {
        (group, name)
        for group, commands in groups().items()
        for name, method in commands.items()
        if any(has_workspace_default(method, field) for field in request_fields(method))
    }
    assert {("repomap", "index"), ("codesearch", "index"), ("semgrep", "watch-scan")} <= taking
    assert not any(group == "workspaces" for group, _ in taking)


@pytest.mark.parametrize(
    "words", [("repomap", "index"), ("codesearch", "index"), ("semgrep", "export-sarif")]
)
def test_every_command_says_how_its_workspace_becomes_known(
    toolmesh: Callable[..., Any], words: tuple[str, str]
) -> None:
    """Not only tools have the folder's workspace as their default."""
    assert "toolmesh push" in toolmesh(*words).err


def test_help_says_what_may_be_a_file(toolmesh: Callable[..., Any]) -> None:
    """In a word, at the option."""
    shown = toolmesh("semgrep", "scan", "--help").out
    assert "--rules TEXT|@FILE" in shown
    assert "--pattern TEXT " in shown
