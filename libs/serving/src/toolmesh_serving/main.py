"""The whole of a service's main: `run("repomap")`."""

import os
from importlib import import_module


def run(name: str, *, module: str = "") -> None:
    """Runs a service until SIGTERM; exits with 1 when it cannot start.

    Args:
        name: the service's name.
        module: where its `Settings` and `open_service` are; empty: `toolmesh_<name>.service`.
    """
    # gRPC reads this when it is imported, hence no import of it above. It prepares for processes
    # that fork and go on to use it; ours start other programs, some of which the preparation
    # would crash while calls are under way.
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    service = import_module(module or f"toolmesh_{name}.service")
    server = import_module("toolmesh_serving.server")
    server.run_service(name, service.Settings, service.open_service)
