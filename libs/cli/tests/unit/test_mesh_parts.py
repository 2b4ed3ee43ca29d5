"""The parts of the runner that need no mesh: programs, configuration, history, memory."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from supervisor.options import ServerOptions

from toolmesh_cli.failures import CliError
from toolmesh_cli.mesh.folder import MeshFolder, checkout_root, gateway_url, local_mesh
from toolmesh_cli.mesh.leftovers import end_leftovers, find_leftovers
from toolmesh_cli.mesh.memory import memory_of
from toolmesh_cli.mesh.programs import (
    FOLDER_VARIABLE,
    Kind,
    Program,
    find_services,
    mesh_environment,
    programs_of,
)
from toolmesh_cli.mesh.restart_pauses import GOOD_RUN_SECONDS, RestartPauses
from toolmesh_cli.mesh.restarts import read_histories
from toolmesh_cli.mesh.supervisor_config import render_config


def checkout(root: Path, *services: str) -> Path:
    """A checkout with these services."""
    (root / "proto").mkdir(parents=True)
    for name in services:
        (root / "services" / name).mkdir(parents=True)
        (root / "services" / name / "pyproject.toml").touch()
    return root


def test_services_are_found_by_looking(tmp_path: Path) -> None:
    """A new folder in `services/` is a new process; a folder that is no package is none."""
    root = checkout(tmp_path, "zeta", "alpha")
    (root / "services" / "notes").mkdir()
    assert find_services(root) == ("alpha", "zeta")
    names = [program.name for program in programs_of(root)]
    assert names == ["valkey", "alpha", "zeta", "gateway"]


@pytest.mark.parametrize("name", ["gateway", "valkey", "Bad", "a-b"])
def test_names_that_no_service_may_have(tmp_path: Path, name: str) -> None:
    """A name must be a package's, and not one of the mesh's own processes."""
    with pytest.raises(CliError, match=name):
        find_services(checkout(tmp_path, name))


def test_a_checkout_without_services_is_an_error(tmp_path: Path) -> None:
    """There is nothing to run."""
    with pytest.raises(CliError, match="no services"):
        find_services(tmp_path)


def test_the_mesh_is_in_the_checkout_unless_told_otherwise(tmp_path: Path) -> None:
    """TOOLMESH_DATA names the folder, TOOLMESH_ROOT the checkout that has it by default."""
    root = checkout(tmp_path, "a")
    assert local_mesh({"TOOLMESH_ROOT": str(root)}) == MeshFolder(root / ".toolmesh")
    assert local_mesh({"TOOLMESH_DATA": str(tmp_path / "x")}) == MeshFolder(tmp_path / "x")
    own = checkout_root({})
    assert own is not None
    assert (own / "services" / "identity").is_dir()


def test_the_environment_is_the_meshs_own(tmp_path: Path) -> None:
    """Credentials of the caller are not passed on, settings are, addresses are the mesh's."""
    environ = {
        "TOOLMESH_API_KEY": "tmk_x",
        "TOOLMESH_LOG_LEVEL": "debug",
        "TOOLMESH_REDIS_URL": "redis://elsewhere",
    }
    made = mesh_environment(MeshFolder(tmp_path), environ=environ, address="127.0.0.1", port=81)
    assert "TOOLMESH_API_KEY" not in made
    assert made["TOOLMESH_LOG_LEVEL"] == "debug"
    assert made["TOOLMESH_REDIS_URL"] == "unix://?path=valkey.sock"
    assert made["TOOLMESH_GATEWAY_PORT"] == "81"
    assert made[FOLDER_VARIABLE] == str(tmp_path)


@pytest.mark.parametrize("part", ["plain", "a b", "100%s", "q'u\"o;te #x", "long" * 30])
def test_supervisord_reads_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Whatever the folder is called, supervisord understands its programs and their order."""
    folder = MeshFolder(tmp_path / part)
    folder.prepare()
    monkeypatch.chdir(folder.run)
    programs = (
        Program(name="valkey", kind=Kind.STORE, command=("/bin/100% sure", "--save", "")),
        Program(
            name="calc", kind=Kind.SERVICE, command=("x",), environment={"A": "unix:calc.sock"}
        ),
        Program(name="gateway", kind=Kind.GATEWAY, command=("y",), autostart=False),
    )
    (folder.run / "supervisord.conf").write_text(render_config(folder, programs, grace_seconds=10))
    options = ServerOptions()
    options.realize(["-c", "supervisord.conf"])
    groups = {group.name: group for group in options.process_group_configs}
    assert [group.priority for group in map(groups.get, ("store", "gateway", "service")) if group]
    order = sorted(groups, key=lambda name: groups[name].priority, reverse=True)
    assert order == ["service", "gateway", "store"]
    store, calc, gateway = (
        groups[name].process_configs[0] for name in ("store", "service", "gateway")
    )
    assert store.command == "'/bin/100% sure' --save ''"
    assert calc.environment["A"] == "unix:calc.sock"
    assert calc.stopwaitsecs == 15
    assert gateway.autostart is False
    assert len(os.fsencode(options.server_configs[0]["file"])) < 107


def test_histories_count_since_the_last_start(tmp_path: Path) -> None:
    """Starts, exits and their cause are read from supervisord's log, the rotated part included."""
    (tmp_path / "s.log.1").write_text(
        "2026-01-31 11:00:00,000 INFO spawned: 'old' with pid 1\n"
        "2026-01-31 12:00:00,000 INFO supervisord started with pid 7\n"
        "2026-01-31 12:00:00,001 INFO spawned: 'calc' with pid 8\n"
    )
    log = tmp_path / "s.log"
    log.write_text(
        "2026-01-31 12:00:05,250 WARN exited: calc (terminated by SIGKILL; not expected)\n"
        "2026-01-31 12:00:05,260 INFO spawned: 'calc' with pid 9\n"
        "no line of this kind\n"
        "2026-01-31 12:00:09,000 WARN exited: other (exit status 3; not expected)\n"
    )
    histories = read_histories(log)
    assert set(histories) == {"calc", "other"}
    assert (histories["calc"].restarts, histories["calc"].exits) == (1, 1)
    assert histories["calc"].last_exit == "terminated by SIGKILL"
    assert histories["calc"].last_exit_time is not None
    assert histories["calc"].last_exit_time.microsecond == 250_000
    assert histories["other"].last_exit == "exit status 3"
    assert read_histories(tmp_path / "none.log") == {}


def test_a_pause_is_over_with_the_next_start(tmp_path: Path) -> None:
    """Until when a process waits is read from the log, and forgotten once it was started."""
    log = tmp_path / "s.log"
    paused = (
        "2026-01-31 12:00:05,000 WARN paused: calc for 4 seconds (ended 5 times in a row)\n"
        "2026-01-31 12:00:05,001 WARN exited: calc (exit status 1; not expected)\n"
    )
    log.write_text(paused)
    until = read_histories(log)["calc"].paused_until
    assert until is not None
    assert f"{until:%H:%M:%S}" == "12:00:09"
    log.write_text(paused + "2026-01-31 12:00:09,100 INFO spawned: 'calc' with pid 9\n")
    assert read_histories(log)["calc"].paused_until is None


def test_the_pause_grows_until_a_process_runs_well() -> None:
    """Two ends are forgiven, then it doubles up to half a minute; a good run begins anew."""
    pauses = RestartPauses()
    grown = [pauses.after_end("calc", ran_seconds=5) for _ in range(9)]
    assert grown == [0, 0, 1, 2, 4, 8, 16, 30, 30]
    assert pauses.after_end("other", ran_seconds=5) == 0
    assert pauses.after_end("calc", ran_seconds=GOOD_RUN_SECONDS) == 0
    assert pauses.ends_in_a_row("calc") == 1


def test_memory_is_that_of_the_family() -> None:
    """A process is counted with its children unless asked for alone; a gone one has none."""
    program = "print(1, flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        family, alone = memory_of(os.getpid()), memory_of(os.getpid(), alone=True)
        assert family is not None
        assert alone is not None
        assert family.size_bytes > alone.size_bytes > 1_000_000
    finally:
        child.communicate(b"\n")
    assert memory_of(child.pid) is None


async def test_leftovers_are_found_by_their_mark_and_ended(tmp_path: Path) -> None:
    """Only processes of this mesh are ended, those that ignore SIGTERM by SIGKILL."""
    mine, others = tmp_path / "mine", tmp_path / "others"
    program = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True)"
    processes = [
        subprocess.Popen(  # noqa: ASYNC220 - waited for by its output
            [sys.executable, "-c", f"{program}; signal.pause()"],
            env={FOLDER_VARIABLE: str(folder)},
            stdout=subprocess.PIPE,
        )
        for folder in (mine, others)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        assert [p.pid for p in find_leftovers(MeshFolder(mine))] == [processes[0].pid]
        assert await end_leftovers(MeshFolder(mine)) == 1
        assert processes[0].wait() == -signal.SIGKILL
        assert psutil.pid_exists(processes[1].pid)
        assert await end_leftovers(MeshFolder(mine)) == 0
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("::", "http://[::1]:80"),
    ],
)
def test_the_gateways_url_can_be_called(address: str, url: str) -> None:
    """An any-address is no address to call."""
    assert gateway_url(address, 80) == url
