"""Answers are shown for people and for programs."""

import json

import pytest
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.timestamp_pb2 import Timestamp

from toolmesh.audit.v1 import audit_event_pb2, audit_service_pb2
from toolmesh.catalog.v1 import catalog_service_pb2, status_pb2, status_service_pb2
from toolmesh.codesearch.v1 import codesearch_service_pb2, hit_pb2
from toolmesh.identity.v1 import api_key_pb2, api_key_service_pb2, user_pb2, user_service_pb2
from toolmesh.repomap.v1 import (
    repomap_pb2,
    repomap_service_pb2,
    symbol_pb2,
    symbol_service_pb2,
)
from toolmesh.semgrep.v1 import finding_pb2, semgrep_service_pb2
from toolmesh.workspace.v1 import workspace_pb2, workspace_service_pb2
from toolmesh_cli.answers import print_answer, print_json


def test_a_text_goes_to_stdout_alone(capfd: pytest.CaptureFixture[str]) -> None:
    """A pipe gets the map and nothing else; the facts about it are on stderr."""
    print_answer(
        repomap_service_pb2.MapResponse(
            map="a.py:\n 1 def f()",
            token_count=1234,
            truncated=True,
            snapshot="ab" * 32,
            skipped_files=[repomap_pb2.SkippedFile(path="b.js", reason="minified")],
            stats=repomap_pb2.MapStats(file_count=1, index_millis=1500),
        )
    )
    shown = capfd.readouterr()
    assert shown.out == "a.py:\n 1 def f()\n"
    for part in ("1,234 tokens", "truncated", "abababababab…", "1 file ", "index 1,500 ms"):
        assert part in shown.err
    assert "b.js · minified" in shown.err


def test_raw_bodies_are_written_as_they_are(capfd: pytest.CaptureFixture[str]) -> None:
    """A document that the mesh sends as a body is printed, not described."""
    body = HttpBody(content_type="application/json", data=b'{"a": 1}')
    print_answer(catalog_service_pb2.GetOpenApiResponse(document=body))
    assert json.loads(capfd.readouterr().out) == {"a": 1}


def test_lists_are_tables(capfd: pytest.CaptureFixture[str]) -> None:
    """A list of messages has a line each; columns without any value are left out."""
    print_answer(
        workspace_service_pb2.ListWorkspacesResponse(
            workspaces=[
                workspace_pb2.Workspace(
                    id="a-1",
                    size_bytes=1500,
                    snapshot="cd" * 32,
                    access=workspace_pb2.WORKSPACE_ACCESS_OWNER,
                ),
                workspace_pb2.Workspace(
                    id="b-[2]", size_bytes=2, access=workspace_pb2.WORKSPACE_ACCESS_READER
                ),
            ]
        )
    )
    head, first, second = capfd.readouterr().out.splitlines()
    assert head.split() == ["ID", "SNAPSHOT", "FILE", "COUNT", "SIZE", "ACCESS"]
    assert first.split() == ["a-1", "cdcdcdcdcdcd…", "0", "1.5", "kB", "owner"]
    assert second.split() == ["b-[2]", "0", "2", "B", "reader"]


def test_enums_and_times_are_words(capfd: pytest.CaptureFixture[str]) -> None:
    """Enum values lose their prefix, durations get a unit."""
    entry = status_pb2.ServiceStatus(service="x", state=status_pb2.SERVING_STATE_NOT_SERVING)
    entry.latency.FromMilliseconds(3)
    print_answer(status_service_pb2.GetStatusResponse(services=[entry]))
    assert "not serving   3 ms" in capfd.readouterr().out


def test_single_values_are_pairs(capfd: pytest.CaptureFixture[str]) -> None:
    """A nested message's fields stand for themselves, short lists are in line."""
    key = api_key_pb2.ApiKey(id="k", roles=["a", "b"], create_time=Timestamp(seconds=1))
    print_answer(api_key_service_pb2.RevokeApiKeyResponse(api_key=key))
    lines = dict(line.split(None, 1) for line in capfd.readouterr().out.splitlines())
    assert lines["id"] == "k"
    assert lines["roles"] == "a, b"


def test_a_secret_goes_to_stdout_alone(capfd: pytest.CaptureFixture[str]) -> None:
    """`> key.txt` keeps the key; what it is and the warning are for the person."""
    key = api_key_pb2.ApiKey(id="k", roles=["a", "b"])
    print_answer(api_key_service_pb2.CreateApiKeyResponse(api_key=key, key="tmk_k_s"))
    shown = capfd.readouterr()
    assert shown.out == "tmk_k_s\n"
    assert "not shown again" in shown.err
    assert "a, b" in shown.err
    assert "tmk_k_s" not in shown.err


def test_a_long_list_in_a_table_is_its_length(capfd: pytest.CaptureFixture[str]) -> None:
    """Twenty scopes in a cell would fold every line of the table."""
    scopes = [f"service{number}:read" for number in range(20)]
    keys = [api_key_pb2.ApiKey(id="k", scopes=scopes), api_key_pb2.ApiKey(id="l", scopes=["a:b"])]
    print_answer(api_key_service_pb2.ListApiKeysResponse(api_keys=keys, next_page_token="x"))
    head, *rows = capfd.readouterr().out.splitlines()
    assert head.split()[:2] == ["ID", "SCOPES"]
    assert [row.split()[:2] for row in rows] == [["k", "20"], ["l", "a:b"]]


def test_a_table_has_one_time_of_each_item(capfd: pytest.CaptureFixture[str]) -> None:
    """When it was last changed is in the item's own view, so that lines do not fold."""
    made, changed = Timestamp(seconds=1), Timestamp(seconds=1_000_000)
    user = user_pb2.User(id="ann", create_time=made, update_time=changed)
    print_answer(user_service_pb2.ListUsersResponse(users=[user]))
    assert "UPDATE" not in capfd.readouterr().out
    print_answer(user_service_pb2.GetUserResponse(user=user))
    assert "update time" in capfd.readouterr().out


def test_an_audit_event_is_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    """Calls and changes share the columns; a refusal says why, and a call who acted for whom."""
    call = audit_event_pb2.AuditEvent(
        sequence=7,
        subject="ann",
        actor="robot",
        outcome=audit_event_pb2.AUDIT_OUTCOME_DENIED,
        call=audit_event_pb2.AuditedCall(
            method="/toolmesh.x.v1.XService/Do",
            side_effect="READ",
            grpc_status="PERMISSION_DENIED",
        ),
    )
    change = audit_event_pb2.AuditEvent(
        sequence=6,
        change=audit_event_pb2.AuditedChange(action="identity.user.create", target="bob"),
    )
    print_answer(audit_service_pb2.ListAuditEventsResponse(audit_events=[call, change]))
    _, first, second = capfd.readouterr().out.splitlines()
    assert first.split()[2:] == [
        "7",
        *("ann", "by", "robot"),
        "denied",
        "x.v1.XService/Do",
        "PERMISSION_DENIED",
        "0",
        "ms",
    ]
    assert second.split()[2:] == ["6", "-", "-", "identity.user.create", "bob"]


@pytest.mark.parametrize(
    ("message", "word"),
    [
        (workspace_service_pb2.DeleteWorkspaceResponse(), "done"),
        (workspace_service_pb2.ListWorkspacesResponse(), "nothing"),
    ],
)
def test_an_empty_answer_is_not_silence(
    capfd: pytest.CaptureFixture[str], message: object, word: str
) -> None:
    """A person hears that it worked, a pipe gets nothing."""
    print_answer(message)
    shown = capfd.readouterr()
    assert (shown.out, shown.err.strip()) == ("", word)


def test_json_is_proto3_json_with_every_field(capfd: pytest.CaptureFixture[str]) -> None:
    """Names are camelCase, zeros are written, and long integers are strings."""
    print_json(workspace_pb2.Workspace(id="é", file_count=2))
    shown = json.loads(capfd.readouterr().out)
    assert shown["id"] == "é"
    assert shown["fileCount"] == "2"
    assert shown["sizeBytes"] == "0"


def test_places_in_code_are_shown_as_compilers_do(capfd: pytest.CaptureFixture[str]) -> None:
    """Editors and people know `path:line:column`; what is known besides is on stderr."""
    finding = finding_pb2.Finding(
        rule="no-eval",
        severity=finding_pb2.SEVERITY_ERROR,
        message="`eval` runs whatever the text says; parse it with `ast.literal_eval` instead.",
        path="shop/cart.py",
        range=finding_pb2.Range(start_line=7, start_column=5, end_line=7, end_column=12),
        lines="    eval(text)",
        fingerprint="ab" * 16,
        fixable=True,
    )
    print_answer(
        semgrep_service_pb2.ScanResponse(
            findings=[finding],
            token_count=99,
            summary=semgrep_service_pb2.ScanSummary(finding_count=1, suppressed_count=2),
        )
    )
    shown = capfd.readouterr()
    assert shown.out == (
        "shop/cart.py:7:5  no-eval  error  fixable\n"
        "    `eval` runs whatever the text says; parse it with `ast.literal_eval` instead.\n"
        "    eval(text)\n"
    )
    assert "99 tokens" in shown.err
    assert "2 suppressed ·" in shown.err


def test_numbers_of_lines_are_named_and_whole(capfd: pytest.CaptureFixture[str]) -> None:
    """`1,358, 1,363` could be four numbers of anything; so could a line above 999."""
    hit = hit_pb2.Hit(path="a.py", start_line=1350, matched_lines=[1358, 1363, 1364])
    print_answer(codesearch_service_pb2.SearchResponse(hits=[hit], hit_count=1234))
    shown = capfd.readouterr()
    assert shown.out == "a.py:1350  matched lines 1358, 1363, 1364\n"
    assert "1,234 hits" in shown.err
    item = symbol_pb2.OutlineItem(start_line=1350, end_line=1360, name="f")
    print_answer(symbol_service_pb2.GetOutlineResponse(items=[item]))
    assert "1350" in capfd.readouterr().out


def test_problems_are_lines_that_say_what_is_so(capfd: pytest.CaptureFixture[str]) -> None:
    """What is true is named, what is not is left out."""
    problems = [
        finding_pb2.ScanProblem(reason="no file was scanned"),
        finding_pb2.ScanProblem(path="a.py", rule="r", reason="timed out", in_baseline=True),
    ]
    summary = semgrep_service_pb2.ScanSummary(problems=problems, problem_count=2)
    print_answer(semgrep_service_pb2.ScanResponse(summary=summary))
    shown = capfd.readouterr().err.splitlines()
    assert shown[-3:] == [
        "problems:",
        "  no file was scanned",
        "  a.py · r · timed out · in baseline",
    ]


def test_a_count_says_what_it_counts(capfd: pytest.CaptureFixture[str]) -> None:
    """Where its name does not, the proto's comment does; what is not there is left out."""
    summary = semgrep_service_pb2.ScanSummary(baseline_count=5, file_count=83)
    print_answer(semgrep_service_pb2.ScanResponse(summary=summary))
    shown = capfd.readouterr().err
    assert "findings were left out because the baseline has them: 5" in shown
    assert "0 findings" in shown
    assert "83 files" in shown
    assert "scanned" not in shown
    summary = semgrep_service_pb2.ScanSummary(scanned_file_count=1, file_count=83)
    print_answer(semgrep_service_pb2.ScanResponse(summary=summary))
    shown = capfd.readouterr().err
    assert "1 scanned file" in shown
    assert "baseline" not in shown


def test_files_are_shown_with_the_places_in_them(capfd: pytest.CaptureFixture[str]) -> None:
    """Each definition of a structured map is a place that an editor can go to."""
    symbols = [
        repomap_pb2.MapSymbol(name="f", kind="function", start_line=3),
        repomap_pb2.MapSymbol(name="g", kind="function", start_line=9),
    ]
    file = repomap_pb2.MapFile(path="a.py", language="python", symbols=symbols)
    print_answer(repomap_service_pb2.MapResponse(files=[file], token_count=40))
    shown = capfd.readouterr()
    assert shown.out.splitlines() == ["a.py  python", "a.py:3  f  function", "a.py:9  g  function"]
    assert "40 tokens" in shown.err


def test_an_empty_text_leaves_a_file_empty(capfd: pytest.CaptureFixture[str]) -> None:
    """A map into whose budget nothing fits is no table of facts."""
    print_answer(repomap_service_pb2.MapResponse(truncated=True, left_out_file_count=7))
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "7 left out files" in shown.err


def test_a_short_map_is_a_text_all_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    """One line of a map goes to stdout alone, as many lines do."""
    print_answer(repomap_service_pb2.MapResponse(map="7 files left out", token_count=4))
    shown = capfd.readouterr()
    assert shown.out == "7 files left out\n"
    assert "4 tokens" in shown.err


def test_a_step_that_is_a_place_is_shown_as_one(capfd: pytest.CaptureFixture[str]) -> None:
    """A finding of a stream looks like one of a list."""
    place = finding_pb2.Range(start_line=7, start_column=5)
    finding = finding_pb2.Finding(rule="no-eval", path="a.py", range=place)
    print_answer(semgrep_service_pb2.WatchScanResponse(finding=finding))
    assert capfd.readouterr().out == "a.py:7:5  no-eval\n"


def test_what_is_not_shown_beside_a_text_is_counted(capfd: pytest.CaptureFixture[str]) -> None:
    """Also what the answer itself leaves out."""
    skipped = [repomap_pb2.SkippedFile(path=f"{number}.js") for number in range(100)]
    print_answer(
        repomap_service_pb2.MapResponse(
            map="a.py:\n", skipped_files=skipped, skipped_file_count=250
        )
    )
    assert "and 240 more (--json shows 100 of them)" in capfd.readouterr().err


def test_all_items_of_a_list_in_pages_are_shown(capfd: pytest.CaptureFixture[str]) -> None:
    """`--limit` has said how many; nothing else bounds them."""
    users = [user_pb2.User(id=f"user-{number}") for number in range(500)]
    print_answer(user_service_pb2.ListUsersResponse(users=users))
    shown = capfd.readouterr()
    assert "user-499" in shown.out
    assert shown.err == ""
