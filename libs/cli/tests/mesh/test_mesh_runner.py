"""A whole mesh is started, watched, hurt and stopped, by the command alone."""

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import IO, Any

import psutil
import pytest

from toolmesh_cli.app import run
from toolmesh_cli.failures import ExitCode
from toolmesh_cli.mesh.folder import MeshFolder
from toolmesh_cli.mesh.leftovers import find_leftovers

pytestmark = pytest.mark.slow

_PATIENCE_SECONDS = 60.0


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition: Callable[[], bool]) -> None:
    """Asks again and again until the condition holds."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"


@pytest.fixture
def small_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """A checkout with the identity service alone, and a mesh folder whose path is long and odd."""
    root = tmp_path / "checkout"
    (root / "proto").mkdir(parents=True)
    (root / "services" / "identity").mkdir(parents=True)
    (root / "services" / "identity" / "pyproject.toml").touch()
    data = tmp_path / "a 100%s 'q\" ;x #y" / ("long" * 20)
    data.mkdir(parents=True)
    monkeypatch.setenv("TOOLMESH_ROOT", str(root))
    monkeypatch.setenv("TOOLMESH_DATA", str(data))
    yield root
    monkeypatch.setenv("TOOLMESH_DATA", str(data))
    assert run(["down"]) == ExitCode.OK
    assert find_leftovers(MeshFolder(data.resolve())) == []


def process_of(toolmesh: Callable[..., Any], name: str) -> dict[str, Any]:
    """What `status --json` says of a process."""
    ran = toolmesh("status", "--json")
    return next(each for each in json.loads(ran.out)["processes"] if each["name"] == name)


def test_status_shows_every_process(mesh: str, toolmesh: Callable[..., Any]) -> None:
    """Every service of the checkout serves, and the memory of all is told."""
    ran = toolmesh("status")
    assert ran.code == ExitCode.OK
    assert mesh in ran.out
    assert re.search(r"Memory in use: \d+ MB", ran.out)
    status = json.loads(toolmesh("status", "--json").out)
    names = {process["name"] for process in status["processes"]}
    assert {"valkey", "identity", "catalog", "workspace", "repomap", "gateway"} <= names
    assert status["well"] is True
    assert status["memoryBytes"] == sum(each["memoryBytes"] for each in status["processes"])


def test_up_says_that_it_is_up(mesh: str, toolmesh: Callable[..., Any]) -> None:
    """A second `up` changes nothing and is no failure; one at another port is."""
    ran = toolmesh("up")
    assert ran.code == ExitCode.OK
    assert f"already up: {mesh}" in ran.out
    other = toolmesh("up", "--port", str(free_port()))
    assert other.code == ExitCode.INVALID
    assert mesh in other.err


@pytest.mark.usefixtures("mesh")
def test_tokens_and_who_they_are(
    toolmesh: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`token` prints the token alone, which then acts with the scopes that it was given."""
    ran = toolmesh("token", "--scope", "repomap:read")
    assert re.fullmatch(r"ey[\w-]+\.[\w-]+\.[\w-]+\n", ran.out)
    assert "admin" in toolmesh("whoami").out
    assert toolmesh("token", "--scope", "no:read").code == ExitCode.DENIED
    monkeypatch.setenv("TOOLMESH_TOKEN", ran.out.strip())
    assert json.loads(toolmesh("whoami", "--json").out)["scopes"] == ["repomap:read"]
    assert toolmesh("workspaces", "list").code == ExitCode.DENIED
    assert toolmesh("token").code == ExitCode.DENIED
    monkeypatch.setenv("TOOLMESH_TOKEN", "garbled")
    assert toolmesh("whoami").code == ExitCode.DENIED


@pytest.mark.usefixtures("mesh")
def test_a_folder_is_pushed_once_and_mapped(
    toolmesh: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second push sends what changed alone, to the same workspace, and tools find it there."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "one.py").write_text("def first():\n    return 1\n")
    (code / "two.py").write_text("from one import first\n\nprint(first())\n")
    (code / "leaving").symlink_to("/etc/hostname")
    monkeypatch.chdir(code)
    first = json.loads(toolmesh("push", "--json").out)
    assert (first["fileCount"], first["uploadedBlobCount"]) == (2, 2)
    assert [skipped["path"] for skipped in first["skipped"]] == ["leaving"]
    (code / "two.py").write_text("from one import first\n\nprint(first() + 1)\n")
    second = json.loads(toolmesh("push", "--json").out)
    assert (second["workspace"], second["uploadedBlobCount"]) == (first["workspace"], 1)
    assert "nothing to send" in toolmesh("push").out
    assert "def first()" in toolmesh("repomap", "map").out
    answer = json.loads(
        toolmesh("call", "repomap_map", f"workspace={first['workspace']}", "--json").out
    )
    assert answer["snapshot"] == second["snapshot"]
    assert toolmesh("repomap", "map", "--max-tokens=-1").code == ExitCode.INVALID
    toolmesh("workspaces", "delete", first["workspace"])
    lost = toolmesh("push")
    assert lost.code == ExitCode.OK
    assert f"{first['workspace']} is gone" in lost.err


@pytest.mark.usefixtures("mesh")
def test_other_answers(toolmesh: Callable[..., Any]) -> None:
    """Tools, streams, unknown things and documents are shown or refused as they should be."""
    assert "repomap_map" in toolmesh("tools").out
    assert json.loads(toolmesh("tools", "--json").out)["tools"][0]["inputSchema"]
    assert json.loads(toolmesh("catalog", "get-open-api").out)["openapi"].startswith("3.1")
    made = toolmesh("workspaces", "create", "--display-name", "empty", "--json")
    workspace = json.loads(made.out)["workspace"]["id"]
    assert toolmesh("workspaces", "get-manifest", workspace).code == ExitCode.INVALID
    assert toolmesh("push", "--workspace", "unknown").code == ExitCode.NOT_FOUND


@pytest.mark.usefixtures("mesh")
def test_a_person_signs_in_and_out(
    toolmesh: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An admin makes the user; who signed in is the caller until the session ends."""
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n" * 2))
    made = toolmesh("users", "create", "ann", "--roles", "auditor", "--password")
    assert made.code == ExitCode.OK
    assert toolmesh("sign-in", "ann").code == ExitCode.OK
    assert json.loads(toolmesh("whoami", "--json").out)["subject"] == "ann"
    assert "ann" in toolmesh("sessions", "list").out
    assert toolmesh("users", "list").code == ExitCode.DENIED
    state = Path(os.environ["XDG_STATE_HOME"]) / "toolmesh" / "sessions.json"
    sessions = json.loads(state.read_bytes())
    for session in sessions.values():
        session["expires_at"] = 0
    state.write_text(json.dumps(sessions))
    assert toolmesh("whoami").code == ExitCode.OK
    assert json.loads(state.read_bytes()) != sessions
    assert toolmesh("sign-out").code == ExitCode.OK
    assert json.loads(toolmesh("whoami", "--json").out)["subject"] == "admin"
    assert toolmesh("sign-out").code == ExitCode.NOT_FOUND
    monkeypatch.setattr("sys.stdin", io.StringIO("wrong\nno.id.token\n"))
    assert toolmesh("sign-in", "ann").code == ExitCode.DENIED
    refused = toolmesh("sign-in", "--id-token")
    assert (refused.code, "ID token" in refused.err) == (ExitCode.DENIED, True)
    assert toolmesh("sign-in").code == ExitCode.USAGE
    assert toolmesh("sign-in", "ann", "--id-token").code == ExitCode.USAGE


@pytest.mark.usefixtures("mesh")
def test_an_agent_acts_for_a_person(
    toolmesh: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person's token is read from stdin, and what comes of it says who acts and where."""
    monkeypatch.setattr("sys.stdin", io.StringIO(toolmesh("token").out))
    robot = ("--display-name=agent", "--subject=robot", "--roles=developer")
    monkeypatch.setenv("TOOLMESH_API_KEY", toolmesh("keys", "create", *robot).out)
    delegated = toolmesh("identity", "delegate-token", "--workspaces", "some-place").out
    assert delegated.count("\n") == 1
    monkeypatch.setenv("TOOLMESH_TOKEN", delegated)
    shown = toolmesh("whoami").out
    assert re.search(r"^acting +robot\nworkspaces +some-place$", shown, re.MULTILINE)


@pytest.mark.usefixtures("mesh")
def test_users_keys_and_roles(toolmesh: Callable[..., Any], tmp_path: Path) -> None:
    """What an administrator does in a day: from a file, one by one, and back."""
    file = tmp_path / "users.csv"
    file.write_text("id,roles\nbob,viewer\ncy,nope\n")
    sent = toolmesh("users", "provision", "--file", str(file))
    assert sent.code == ExitCode.INVALID
    assert sent.out == "2 rows: 1 created, 1 failed\n"
    assert sent.err.startswith("line 3: there is no role 'nope'")
    toolmesh("roles", "create", "reader", "--scopes", "repomap:read")
    assert toolmesh("roles", "assign", "bob", "reader").code == ExitCode.OK
    bob = json.loads(toolmesh("users", "get", "bob", "--json").out)["user"]
    assert bob["roles"] == ["reader", "viewer"]
    toolmesh("roles", "withdraw", "bob", "reader")
    made = toolmesh("keys", "create", "--display-name", "ci", "--subject", "bob", "--roles=viewer")
    assert re.fullmatch(r"tmk_[^_]+_\S+\n", made.out)
    rotated = toolmesh("keys", "rotate", made.out.split("_")[1])
    assert rotated.out.startswith("tmk_")
    assert rotated.out != made.out
    assert toolmesh("keys", "revoke", made.out.split("_")[1]).code == ExitCode.OK
    assert "suspend time" in toolmesh("users", "suspend", "bob").out
    assert "suspend time" not in toolmesh("users", "reinstate", "bob").out
    assert toolmesh("users", "update", "bob", "--no-roles").code == ExitCode.OK
    assert toolmesh("users", "delete", "bob").code == ExitCode.OK
    assert toolmesh("users", "get", "bob").code == ExitCode.NOT_FOUND
    assert len(json.loads(toolmesh("users", "list", "--limit", "1", "--json").out)["users"]) == 1


@pytest.mark.usefixtures("mesh")
def test_the_log_is_followed_through_a_crash(toolmesh: Callable[..., Any]) -> None:
    """What happens is shown, also after audit was killed, each event once and in order."""
    command = [sys.executable, "-m", "toolmesh_cli", "audit", "tail", "--json", "--kind", "admin"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tail:
        assert tail.stdout is not None
        toolmesh("roles", "create", "tail-1", "--scopes", "repomap:read")
        seen = _read_until(tail.stdout, "tail-1")
        pid = process_of(toolmesh, "audit")["pid"]
        os.kill(pid, signal.SIGKILL)
        toolmesh("roles", "create", "tail-2", "--scopes", "repomap:read")
        seen += _read_until(tail.stdout, "tail-2")
        tail.send_signal(signal.SIGINT)
        assert tail.wait(_PATIENCE_SECONDS) == ExitCode.INTERRUPTED
    sequences = [int(event["sequence"]) for event in seen]
    assert sequences == sorted(set(sequences))
    until(lambda: toolmesh("status").code == ExitCode.OK)
    verified = toolmesh("audit", "verify")
    assert verified.code == ExitCode.OK
    assert re.search(
        r"OK: \d+ records as written\nhead: record \d+, hash [0-9a-f]{64}", verified.out
    )


@pytest.mark.usefixtures("mesh")
def test_an_anchor_that_was_kept_shows_a_log_written_anew(
    toolmesh: Callable[..., Any], tmp_path: Path
) -> None:
    """The first bad record is named, and scripts see it by the exit code."""
    kept = tmp_path / "anchors.json"
    kept.write_text(toolmesh("audit", "anchors", "--json").out)
    assert toolmesh("audit", "verify", "--anchors", str(kept)).code == ExitCode.OK
    anchors = json.loads(kept.read_text())
    last = anchors["auditAnchors"][-1]
    last["hash"] = "0" * 64
    kept.write_text(json.dumps(anchors))
    ran = toolmesh("audit", "verify", "--anchors", str(kept))
    assert ran.code == ExitCode.UNEXPECTED
    assert f"record {last['sequence']} is rewritten" in ran.err


def _read_until(lines: IO[bytes], target: str) -> list[dict[str, Any]]:
    """The events up to the one about `target`."""
    seen: list[dict[str, Any]] = []
    while not seen or seen[-1]["change"]["target"] != target:
        seen.append(json.loads(lines.readline()))
    return seen


@pytest.mark.parametrize("name", ["identity", "gateway", "valkey"])
@pytest.mark.usefixtures("mesh")
def test_a_killed_process_is_back(toolmesh: Callable[..., Any], name: str) -> None:
    """It is started again each time, and both the status and the log say so."""
    before = process_of(toolmesh, name)
    for _ in range(2):
        pid = process_of(toolmesh, name)["pid"]
        os.kill(pid, signal.SIGKILL)
        until(lambda pid=pid: process_of(toolmesh, name)["pid"] not in (0, pid))
    until(lambda: toolmesh("status").code == ExitCode.OK)
    after = process_of(toolmesh, name)
    assert after["restarts"] == before["restarts"] + 2
    assert after["lastExit"] == "terminated by SIGKILL"
    assert f"exited: {name} (terminated by SIGKILL" in toolmesh("logs", "supervisord").out
    assert f"{name}: {after['restarts']} restarts; last ended" in toolmesh("status").out
    assert toolmesh("whoami").code == ExitCode.OK


def test_a_process_that_ends_again_and_again_waits(
    small_checkout: Path, toolmesh: Callable[..., Any]
) -> None:
    """From the third end on there is a pause, which the status tells; then the process is back."""
    assert toolmesh("up", "--port", str(free_port())).code == ExitCode.OK
    for restarts in range(6):
        until(lambda: process_of(toolmesh, "identity")["pid"] != 0)
        assert process_of(toolmesh, "identity")["restarts"] == restarts
        os.kill(process_of(toolmesh, "identity")["pid"], signal.SIGKILL)
        until(lambda ends=restarts + 1: _ended(toolmesh, "identity", ends))
    waiting = process_of(toolmesh, "identity")
    shown = toolmesh("status")
    assert shown.code == ExitCode.UNAVAILABLE
    assert "waiting" in shown.out
    assert "Starts again in" in shown.out
    until(lambda: toolmesh("status").code == ExitCode.OK)
    again = process_of(toolmesh, "identity")
    assert (again["restarts"], again["restartTime"]) == (6, None)
    # supervisord tells whole seconds.
    assert again["startTime"][:19] >= waiting["restartTime"][:19]


def _ended(toolmesh: Callable[..., Any], name: str, times: int) -> bool:
    log = toolmesh("logs", "supervisord", "--raw", "-n", "1000").out
    return log.count(f"exited: {name} (") == times


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_lost_supervisor_is_replaced(small_checkout: Path, toolmesh: Callable[..., Any]) -> None:
    """What a killed supervisord left is noticed by `status` and ended by `up`; data survives."""
    port = str(free_port())
    assert toolmesh("up", "--port", port).code == ExitCode.OK
    assert toolmesh("keys", "create", "--display-name", "kept", "--roles", "viewer").code == 0
    processes = json.loads(toolmesh("status", "--json").out)["processes"]
    pids = [process["pid"] for process in processes]
    os.kill(process_of(toolmesh, "supervisord")["pid"], signal.SIGKILL)
    lost = toolmesh("status")
    assert lost.code == ExitCode.UNAVAILABLE
    assert "supervisord is gone" in lost.err
    again = toolmesh("up", "--port", port)
    assert again.code == ExitCode.OK
    assert "that a mesh had left behind" in again.out
    assert [pid for pid in pids if _is_alive(pid)] == []
    assert "kept" in toolmesh("keys", "list").out


def test_a_service_that_cannot_start_stops_the_start(
    small_checkout: Path, toolmesh: Callable[..., Any]
) -> None:
    """Its name, its last log lines and an exit code are what is left."""
    (small_checkout / "services" / "broken").mkdir()
    (small_checkout / "services" / "broken" / "pyproject.toml").touch()
    ran = toolmesh("up", "--port", str(free_port()))
    assert ran.code == ExitCode.UNAVAILABLE
    assert "broken did not start: exit status 1" in ran.err
    assert "No module named toolmesh_broken" in ran.err
    assert toolmesh("status").code == ExitCode.UNAVAILABLE


def test_a_taken_port_is_named(small_checkout: Path, toolmesh: Callable[..., Any]) -> None:
    """Nothing is started, and the message says what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = toolmesh("up", "--port", str(port))
    assert ran.code == ExitCode.UNAVAILABLE
    assert f"port {port}" in ran.err
    assert f"pid {os.getpid()}" in ran.err
    assert "--port" in ran.err


def test_an_interrupted_start_leaves_nothing(small_checkout: Path) -> None:
    """Ctrl-C ends the command with 130 and stops what it had started."""
    command = [sys.executable, "-m", "toolmesh_cli", "up", "--port", str(free_port())]
    folder = MeshFolder(Path(os.environ["TOOLMESH_DATA"]).resolve())
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    until(lambda: bool(find_leftovers(folder)) or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    _, shown = process.communicate(timeout=_PATIENCE_SECONDS)
    assert process.returncode == ExitCode.INTERRUPTED
    assert shown.decode().strip() == "interrupted"
    assert find_leftovers(folder) == []
    assert not psutil.pid_exists(process.pid)
