"""Logs of several processes are merged by time and worded for people."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from toolmesh_cli.mesh.folder import MeshFolder
from toolmesh_cli.mesh.log_files import last_lines, new_lines
from toolmesh_cli.mesh.log_lines import parse_lines

EARLY = datetime(2020, 1, 1, tzinfo=UTC)


def parsed(*lines: str) -> list[Any]:
    """The lines of a log."""
    return list(parse_lines("x", lines, untimed=EARLY))


@pytest.fixture
def mesh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MeshFolder:
    """A mesh with empty logs."""
    folder = MeshFolder(tmp_path / "mesh")
    folder.prepare()
    monkeypatch.setenv("TOOLMESH_DATA", str(folder.path))
    return folder


@pytest.mark.parametrize(
    ("line", "readable"),
    [
        (
            '{"event":"call","code":"OK","subject":"","level":"info",'
            '"timestamp":"2026-01-31T12:00:00.5Z","service":"x"}',
            "call code=OK",
        ),
        (
            '{"event":"bad","level":"error","timestamp":"2026-01-31T12:00:00.5Z",'
            '"exception":[{"exc_type":"E","exc_value":"why"}]}',
            "ERROR bad (E: why)",
        ),
        (
            '{"time":"2026-01-31T12:00:00.500Z","http_method":"GET","path":"/v1/x","code":200,'
            '"duration_ms":3,"flags":"-","details":"via_upstream","sub":"ann"}',
            "GET /v1/x -> 200 in 3 ms sub=ann",
        ),
        ("[2026-01-31 12:00:00.500][17][warning][main] text", "[warning][main] text"),
    ],
)
def test_lines_with_a_time_in_utc(line: str, readable: str) -> None:
    """JSON is taken apart, the time is left to the column before it."""
    (one,) = parsed(line)
    assert one.time == datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC)
    assert one.readable() == readable


@pytest.mark.parametrize(
    ("line", "readable"),
    [
        ("2026-01-31 12:00:00,500 INFO text", "INFO text"),
        ("17:M 31 Jan 2026 12:00:00.500 * text", "* text"),
    ],
)
def test_lines_with_a_local_time(line: str, readable: str) -> None:
    """supervisord and Valkey write the local time."""
    (one,) = parsed(line)
    assert one.time == datetime(2026, 1, 31, 12, 0, 0, 500_000).astimezone()
    assert one.readable() == readable


def test_lines_without_a_time_stay_with_their_neighbours() -> None:
    """A traceback belongs to the line before; what comes first belongs to the first time."""
    lines = parsed("early", "2026-01-31 12:00:00,000 INFO a", "Traceback", '{"broken', "{}")
    assert len({line.time for line in lines}) == 1
    assert [line.readable() for line in lines] == ["early", "INFO a", "Traceback", '{"broken', ""]
    assert parsed("only")[0].time == EARLY


def test_logs_are_merged_by_time(toolmesh: Callable[..., Any], mesh: MeshFolder) -> None:
    """The last lines of all are one list; a named process is shown alone."""
    mesh.log_of("a").write_text(
        "2026-01-31 12:00:01,000 INFO first\n2026-01-31 12:00:03,000 INFO third\n"
    )
    mesh.log_of("b").write_text("2026-01-31 12:00:02,000 INFO second\n")
    ran = toolmesh("logs")
    assert [line.split()[-1] for line in ran.out.splitlines()] == ["first", "second", "third"]
    assert toolmesh("logs", "-n", "1").out.split()[1:] == ["a", "INFO", "third"]
    assert toolmesh("logs", "b", "--raw").out == "2026-01-31 12:00:02,000 INFO second\n"
    assert toolmesh("logs", "-n", "0").out == ""
    missing = toolmesh("logs", "c")
    assert missing.code == 4
    assert "a, b" in missing.err


def test_the_tail_of_a_long_log_is_read_backwards(mesh: MeshFolder) -> None:
    """The last lines are right when they are spread over blocks."""
    lines = [f"{number:06} {'x' * 90}" for number in range(5000)]
    mesh.log_of("a").write_text("\n".join(lines) + "\n")
    shown = last_lines(mesh, ["a"], 3000)
    assert [line.text for line in shown] == lines[-3000:]


async def test_following_goes_on_after_a_rotation(mesh: MeshFolder) -> None:
    """New lines appear once they are whole, and also when the file was replaced meanwhile."""
    log = mesh.log_of("a")
    log.write_text("before\n")
    lines = new_lines(mesh, ["a"])
    following = asyncio.ensure_future(anext(lines))
    await asyncio.sleep(0)
    with log.open("a") as file:
        file.write("one\nhal")
    assert (await following).text == "one"
    with log.open("a") as file:
        file.write("f\n")
    log.rename(log.with_suffix(".log.1"))
    log.write_text("new\n")
    assert [(await anext(lines)).text, (await anext(lines)).text] == ["half", "new"]
    await lines.aclose()
