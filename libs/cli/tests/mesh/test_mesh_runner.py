"""A whole mesh is started, watched, hurt and stopped, by the command alone."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

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


@pytest.fixture(scope="module")
def running_mesh() -> Generator[tuple[Path, str]]:
    """A mesh of all services of this checkout; its data folder and URL."""
    folder = Path(tempfile.mkdtemp(prefix="toolmesh-"))
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOOLMESH_DATA", str(folder))
        assert run(["up", "--port", str(port)]) == ExitCode.OK
        yield folder, f"http://127.0.0.1:{port}"
        patch.setenv("TOOLMESH_DATA", str(folder))
        assert run(["down"]) == ExitCode.OK
    assert find_leftovers(MeshFolder(folder)) == []
    assert list((folder / "run").glob("*.sock")) == []
    shutil.rmtree(folder)


@pytest.fixture
def mesh(running_mesh: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """That mesh, made this test's own; its URL."""
    monkeypatch.setenv("TOOLMESH_DATA", str(running_mesh[0]))
    return running_mesh[1]


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
