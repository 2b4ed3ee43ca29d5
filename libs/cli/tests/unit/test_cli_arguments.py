"""What is typed becomes the JSON form of a request."""

import io
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor

from toolmesh.workspace.v1 import workspace_service_pb2
from toolmesh_cli.arguments import (
    build_request,
    enum_choices,
    kebab,
    read_object,
    read_pairs,
    takes_file,
    typed_value,
    value_kind,
)
from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_contracts.contract import Contract, Method


def method(path: str) -> Method:
    """A method of the mesh."""
    return Contract.load().by_path[path]


def field(message: str, name: str) -> FieldDescriptor:
    """A field of a request or answer of the mesh."""
    for known in Contract.load().methods:
        for descriptor in (known.input, known.output):
            if descriptor.name == message:
                return descriptor.fields_by_name[name]
    raise LookupError(message)


def field_of_request(method_name: str, name: str) -> FieldDescriptor:
    """A field of the request of a method."""
    known = next(m for m in Contract.load().methods if m.name == method_name)
    return known.input.fields_by_name[name]


MAP = "/toolmesh.repomap.v1.RepomapService/Map"
CREATE_KEY = "/toolmesh.identity.v1.ApiKeyService/CreateApiKey"


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("WhoAmI", "who-am-i"),
        ("GetOpenApi", "get-open-api"),
        ("max_tokens", "max-tokens"),
        ("GetJWKSet", "get-jwk-set"),
    ],
)
def test_names_are_typed_in_kebab_case(name: str, typed: str) -> None:
    """Words of a name are joined by hyphens, capitals in a row are one word."""
    assert kebab(name) == typed


def test_pairs_follow_the_fields_types() -> None:
    """Numbers, text, lists and times are read as their fields want them, by any form of the key."""
    pairs = ["workspace=123", "max-tokens=7", "focusPaths=a.py", "focus_paths=b=c.py"]
    arguments = read_pairs(method(MAP).input, pairs)
    assert arguments == {"workspace": "123", "max_tokens": 7, "focus_paths": ["a.py", "b=c.py"]}
    request = build_request(method(MAP), arguments)
    assert getattr(request, "max_tokens") == 7  # noqa: B009 - the class is made at run time


def test_times_keep_their_text() -> None:
    """A time is typed as RFC 3339 and reaches the request as that moment."""
    arguments = read_pairs(
        method(CREATE_KEY).input, ["roles=viewer", "expire_time=2030-01-02T03:04:05Z"]
    )
    request = build_request(method(CREATE_KEY), arguments)
    assert "seconds: 1893553445" in str(request)


def test_objects_come_as_text_file_or_pairs(tmp_path: Path) -> None:
    """JSON, a file with JSON and pairs can be mixed; what is said later holds."""
    file = tmp_path / "arguments.json"
    file.write_text('{"workspace": "a", "maxTokens": 1}')
    arguments = read_pairs(method(MAP).input, [f"@{file}", '{"maxTokens": 2}', "workspace=b"])
    assert arguments == {"workspace": "b", "maxTokens": 2}


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["max_tokens=many"], "integer"),
        (["max_token=5"], "no argument 'max_token'"),
        (["workspace"], "not an argument"),
        (["{broken"], "not JSON"),
        (['{"workspace": "\udcff"}'], "not JSON"),
        (["@/no/such/file"], "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_a_usage_error(words: list[str], part: str) -> None:
    """The message says what is wrong with which word."""
    with pytest.raises(CliError, match=part) as caught:
        read_pairs(method(MAP).input, words)
    assert caught.value.exit_code == ExitCode.USAGE


def test_arguments_must_be_an_object() -> None:
    """A JSON list is not the arguments of a method."""
    with pytest.raises(CliError, match="not a JSON object"):
        read_object("[1]")


def test_unknown_json_fields_are_a_usage_error() -> None:
    """A field that the request does not have is named."""
    with pytest.raises(CliError, match="nope") as caught:
        build_request(method(MAP), {"nope": 1})
    assert caught.value.exit_code == ExitCode.USAGE


def test_enums_are_typed_without_their_prefix() -> None:
    """`not-serving` stands for the value's long name, which is taken as well."""
    state = field("GetStatusResponse", "services").message_type
    assert state is not None
    states = state.fields_by_name["state"]
    assert states.enum_type is not None
    assert enum_choices(states.enum_type)["not-serving"] == "SERVING_STATE_NOT_SERVING"
    assert typed_value(states, "not-serving") == "SERVING_STATE_NOT_SERVING"
    assert typed_value(states, "SERVING_STATE_SERVING") == "SERVING_STATE_SERVING"
    assert value_kind(states).startswith("one of serving")


def test_durations_are_seconds() -> None:
    """A bare number of seconds is a duration."""
    duration = field("ExchangeTokenResponse", "expires_in")
    assert typed_value(duration, "90") == "90s"
    assert typed_value(duration, "1.5s") == "1.5s"
    assert value_kind(duration) == "seconds"


def test_messages_and_flags_are_typed_as_json() -> None:
    """A nested message is JSON, a flag is true or false."""
    message = field("CreateApiKeyResponse", "api_key")
    assert typed_value(message, '{"id": "a"}') == {"id": "a"}
    flag = field("MapResponse", "truncated")
    assert typed_value(flag, "yes") is True
    with pytest.raises(CliError, match="true or false"):
        typed_value(flag, "perhaps")


def test_a_long_text_may_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`@file` is its text, `@-` that of stdin, and `@@x` the text `@x`."""
    rules = field_of_request("Scan", "rules")
    file = tmp_path / "my.yaml"
    file.write_text("rules: [é]\n", "utf-8-sig")
    assert typed_value(rules, f"@{file}") == "rules: [é]\n"
    assert typed_value(rules, "@@x") == "@x"
    assert typed_value(rules, "rules: []") == "rules: []"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"rules: [stdin]")))
    assert typed_value(rules, "@-") == "rules: [stdin]"


def test_bytes_may_come_from_a_file(tmp_path: Path) -> None:
    """They are taken as they are; what is typed is base64."""
    data = workspace_service_pb2.BlobChunk.DESCRIPTOR.fields_by_name["data"]
    file = tmp_path / "blob"
    file.write_bytes(b"\xff\x00")
    assert typed_value(data, f"@{file}") == typed_value(data, "/wA=") == "/wA="


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path, content: bytes | None) -> None:
    """It is named, whether it is missing or no text."""
    file = tmp_path / "my.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CliError, match=rf"{file} cannot be read: ") as caught:
        typed_value(field_of_request("Scan", "rules"), f"@{file}")
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("method_name", "name"),
    [("Search", "query"), ("Search", "exact_text"), ("Map", "question"), ("Scan", "pattern")],
)
def test_a_text_that_may_begin_with_an_at_sign_is_kept(method_name: str, name: str) -> None:
    """Who looks for a decorator means no file."""
    assert typed_value(field_of_request(method_name, name), "@dataclass") == "@dataclass"


def test_no_secret_is_read_from_a_file_that_is_named() -> None:
    """Only long texts and bytes are, and of these no secret."""
    fields = [f for known in Contract.load().methods for f in known.input.fields]
    assert {f.full_name.removeprefix("toolmesh.") for f in fields if takes_file(f)} == {
        "semgrep.v1.ScanRequest.rules",
        "semgrep.v1.ValidateRuleRequest.rules",
    }


def test_a_row_of_a_file_reads_no_other_file(tmp_path: Path) -> None:
    """Who wrote the rows is not who runs the command."""
    file = tmp_path / "secret"
    file.write_text("rules:")
    assert typed_value(field_of_request("Scan", "rules"), f"@{file}", files=False) == f"@{file}"
