"""Many items are read from a file and sent."""

from pathlib import Path
from typing import Any

import pytest

from toolmesh.identity.v1 import user_service_pb2 as pb
from toolmesh_cli.bulk import chunks_of, print_outcomes
from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.rows import Rows, read_rows

USERS = pb.ProvisionUsersRequest.DESCRIPTOR.fields_by_name["users"]


def rows_of(folder: Path, text: str) -> Rows:
    """The rows of a file with this text."""
    file = folder / "users"
    file.write_text(text)
    return read_rows(str(file), USERS)


@pytest.mark.parametrize(
    "text",
    [
        "id,display_name,roles\nann,Ann A,viewer;developer\nbob,,\n",
        '\ufeffID, Display Name, roles\r\nann,"Ann A","viewer, developer"\r\n\r\nbob\r\n',
        '{"id": "ann", "displayName": "Ann A", "roles": ["viewer", "developer"]}\n{"id": "bob"}\n',
        '[{"id": "ann", "display_name": "Ann A", "roles": ["viewer", "developer"]}, {"id": "bob"}]',
        '{"users": [{"id": "ann", "displayName": "Ann A", "roles": ["viewer", "developer"]},'
        ' {"id": "bob"}]}',
    ],
)
def test_rows_come_as_csv_or_json(tmp_path: Path, text: str) -> None:
    """A spreadsheet's file, JSON lines, a JSON list and an answer around one are the same."""
    items = rows_of(tmp_path, text).items
    read = [pb.ProvisionedUser(**{_snake(key): value for key, value in i.items()}) for i in items]
    ann = pb.ProvisionedUser(id="ann", display_name="Ann A", roles=["viewer", "developer"])
    assert read == [ann, pb.ProvisionedUser(id="bob")]


def _snake(name: str) -> str:
    return "display_name" if name == "displayName" else name


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("id,roles\nann,viewer\nb b,\n", ["line 3: id must match"]),
        ("id\n\nann,x\n", ["line 3: 2 cells, but 1 columns"]),
        ('{"id": "ann"}\n{"id": 7}\nnope\n', ["line 2: ", "line 3: it is no JSON object"]),
        ('{"id": "ann", "admin": true}\n', ["line 1: "]),
        ("display_name\nAnn\n", ["line 2: id "]),
    ],
)
def test_wrong_rows_are_named_by_their_line(tmp_path: Path, text: str, faults: list[str]) -> None:
    """Every wrong row is told at once, before any is sent."""
    with pytest.raises(CliError) as caught:
        rows_of(tmp_path, text)
    assert caught.value.exit_code == ExitCode.INVALID
    assert "nothing was sent" in caught.value.message
    told = zip(faults, caught.value.details, strict=True)
    assert all(detail.startswith(fault) for fault, detail in told)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "holds no rows"), ("id\n", "holds no rows"), ("id,nme\nann,x\n", "no column 'nme'")],
)
def test_a_file_that_is_none_is_wrong_usage(tmp_path: Path, text: str, message: str) -> None:
    """An empty file or an unknown column is a slip of who made the file."""
    with pytest.raises(CliError, match=message) as caught:
        rows_of(tmp_path, text)
    assert caught.value.exit_code == ExitCode.USAGE


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A missing file and one that is no text have different words."""
    with pytest.raises(CliError, match="No such file"):
        read_rows(str(tmp_path / "none"), USERS)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CliError, match="not UTF-8"):
        read_rows(str(tmp_path / "binary"), USERS)


def test_a_large_file_is_sent_in_parts() -> None:
    """No call has more items than the field may have."""
    items: list[dict[str, Any]] = [{"id": str(number)} for number in range(2001)]
    assert [len(chunk) for chunk in chunks_of(USERS, items)] == [1000, 1000, 1]


def test_outcomes_are_counted_and_failures_have_their_line(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A thousand good rows are a number; a bad one is a line of its own."""
    outcomes = [
        pb.ProvisionOutcome(id="ann", result=pb.PROVISION_RESULT_CREATED),
        pb.ProvisionOutcome(id="bob", result=pb.PROVISION_RESULT_FAILED, message="no role"),
    ]
    rows = Rows(USERS, [{"id": "ann"}, {"id": "bob"}], [2, 5])
    failed = print_outcomes(pb.ProvisionUsersResponse(outcomes=outcomes), rows, as_json=False)
    shown = capfd.readouterr()
    assert failed == 1
    assert shown.out == "2 rows: 1 created, 1 failed\n"
    assert shown.err == "line 5: no role\n"
