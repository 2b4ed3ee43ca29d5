"""Writes supervisord's configuration.

Paths in it are relative to the run folder, where supervisord is started: so the data folder may
lie at any path, with blanks, quotes or percent signs, which the format would need escaped.
"""

import os
import shlex
import sys
from collections import defaultdict
from collections.abc import Sequence

from toolmesh_cli.mesh.folder import MeshFolder
from toolmesh_cli.mesh.programs import Program

CONFIG_FILE = "supervisord.conf"
SOCKET = "supervisor.sock"
# While it binds, supervisord appends its pid to the path.
_SOCKET_PATH_BYTES = 90

_LOG_BYTES = "10MB"
_LOG_BACKUPS = 2


def render_config(folder: MeshFolder, programs: Sequence[Program], *, grace_seconds: float) -> str:
    """The configuration, in supervisord's own format.

    Programs of a kind are a group, and groups are stopped one after the other: services first, so
    that their last answers still pass the gateway, and the store at the end.

    Args:
        grace_seconds: how long a service may take to finish its running calls.
    """
    groups: defaultdict[str, list[Program]] = defaultdict(list)
    for program in programs:
        groups[program.kind.name.lower()].append(program)
    sections = [_daemon(folder)]
    sections += [_program(program, grace_seconds) for program in programs]
    sections += [_group(name, members) for name, members in groups.items()]
    return "\n".join(sections)


def _daemon(folder: MeshFolder) -> str:
    lines = [
        "[unix_http_server]",
        f"file = {_socket(folder)}",
        "chmod = 0700",
        "",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
        "",
        "[rpcinterface:toolmesh]",
        "supervisor.rpcinterface_factory = toolmesh_cli.mesh.supervisor_plugin:make_interface",
        "",
        "[supervisord]",
        "logfile = ../logs/supervisord.log",
        f"logfile_maxbytes = {_LOG_BYTES}",
        f"logfile_backups = {_LOG_BACKUPS}",
        "pidfile = supervisord.pid",
        "childlogdir = ../logs",
        "umask = 077",
    ]
    if os.geteuid() == 0:
        # Says that it is meant, else supervisord warns at every start.
        lines.append("user = root")
    return "\n".join([*lines, ""])


def _program(program: Program, grace_seconds: float) -> str:
    environment = ",".join(f'{name}="{value}"' for name, value in program.environment.items())
    return "\n".join(
        [
            f"[program:{program.name}]",
            f"command = {shlex.join(program.command).replace('%', '%%')}",
            "directory = .",
            f"environment = {environment}",
            f"priority = {program.kind.value}",
            f"autostart = {str(program.autostart).lower()}",
            # Always back; `supervisor_plugin` puts a pause before it where it fails too often.
            "autorestart = true",
            "startsecs = 0",
            "startretries = 100",
            "stopsignal = TERM",
            f"stopwaitsecs = {round(grace_seconds + 5)}",
            # What is killed takes its helper processes with it.
            "killasgroup = true",
            "redirect_stderr = true",
            f"stdout_logfile = ../logs/{program.name}.log",
            f"stdout_logfile_maxbytes = {_LOG_BYTES}",
            f"stdout_logfile_backups = {_LOG_BACKUPS}",
            "",
        ]
    )


def _group(name: str, members: Sequence[Program]) -> str:
    names = ",".join(member.name for member in members)
    return f"[group:{name}]\nprograms = {names}\npriority = {members[0].kind.value}\n"


def _socket(folder: MeshFolder) -> str:
    if sys.platform == "linux" and len(os.fsencode(folder.run / SOCKET)) > _SOCKET_PATH_BYTES:
        # The system's short name for the working directory; supervisord makes paths absolute.
        return f"/proc/self/cwd/{SOCKET}"
    return SOCKET
