"""The peers' own Python environment, which only the benchmark installs, and the peers in it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from evals.environments import PeerEnvironment
from evals.gateway.mesh import ECHO_SCOPE, Mesh
from evals.processes import Child, free_port, running, until

_HERE = Path(__file__).parent
_ENVIRONMENT = PeerEnvironment("gateway", _HERE / "peers.lock")
_SHOWN = ("fastapi", "fastmcp", "uvicorn", "uvloop", "pyjwt")


async def install_peers() -> None:
    """Makes the peers' environment what the lock says, unless it is that already.

    Raises:
        BenchmarkError: a package cannot be had.
    """
    await _ENVIRONMENT.install()


async def peer_versions() -> dict[str, str]:
    """The versions of the packages that matter."""
    return await _ENVIRONMENT.versions(*_SHOWN)


@asynccontextmanager
async def open_peer(name: str, mesh: Mesh) -> AsyncGenerator[tuple[Child, int]]:
    """Runs `peers/<name>_echo.py`, which trusts the mesh's tokens; yields it and its port."""
    key = mesh.folder / "public-key.pem"
    key.write_bytes(mesh.public_key)
    port = free_port()
    script = _HERE / "peers" / f"{name}_echo.py"
    trust = (key, mesh.issuer, mesh.audience, ECHO_SCOPE)
    async with (
        running(name, _ENVIRONMENT.python, script, str(port), *trust, folder=mesh.folder) as child,
        httpx.AsyncClient() as client,
    ):

        async def answers() -> bool:
            try:
                await client.get(f"http://127.0.0.1:{port}/")
            except httpx.TransportError:
                return False
            return True

        await until(answers, what=name, children=[child])
        yield child, port
