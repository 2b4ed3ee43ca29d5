"""The peers' own Python environment, which only the benchmark installs, and the peers in it."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import httpx

from evals.gateway.mesh import ECHO_SCOPE, Mesh, free_port
from evals.gateway.processes import BenchmarkError, Child, running, until

_HERE = Path(__file__).parent
_ENVIRONMENT = _HERE.parents[1] / ".bench"
_LOCK = _HERE / "peers.lock"
_SHOWN = ("fastapi", "fastmcp", "uvicorn", "uvloop", "pyjwt")


async def install_peers() -> None:
    """Makes `.bench` what the lock says, unless it is that already.

    Raises:
        BenchmarkError: a package cannot be had.
    """
    mark = _ENVIRONMENT / "lock.sha256"
    digest = sha256(_LOCK.read_bytes()).hexdigest()
    if mark.exists() and mark.read_text() == digest:
        return
    uv = Path(sys.executable).with_name("uv")
    await _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, _ENVIRONMENT)
    into = ("--python", _python(), "--require-hashes", "--requirement", _LOCK)
    await _run(uv, "pip", "install", "--quiet", *into)
    mark.write_text(digest)


async def peer_versions() -> dict[str, str]:
    """The versions of the packages that matter."""
    program = (
        "import sys, importlib.metadata as m; print(*(m.version(name) for name in sys.argv[1:]))"
    )
    output = await _run(_python(), "-c", program, *_SHOWN)
    return dict(zip(_SHOWN, output.split(), strict=True))


@asynccontextmanager
async def open_peer(name: str, mesh: Mesh) -> AsyncGenerator[tuple[Child, int]]:
    """Runs `peers/<name>_echo.py`, which trusts the mesh's tokens; yields it and its port."""
    key = mesh.folder / "public-key.pem"
    key.write_bytes(mesh.public_key)
    port = free_port()
    script = _HERE / "peers" / f"{name}_echo.py"
    trust = (key, mesh.issuer, mesh.audience, ECHO_SCOPE)
    async with (
        running(name, _python(), script, str(port), *trust, folder=mesh.folder) as child,
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


def _python() -> Path:
    return _ENVIRONMENT / "bin" / "python"


async def _run(*command: str | Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise BenchmarkError(f"the peers' environment failed:\n{output.decode()}")
    return output.decode()
