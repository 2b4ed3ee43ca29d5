"""Python environments of peers' own in `.bench/`, installed from a lock; nothing else uses them."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from evals.processes import BenchmarkError

BENCH = Path(__file__).parents[1] / ".bench"


@dataclass(frozen=True)
class PeerEnvironment:
    """An environment by the name of `name` that holds what `lock` says."""

    name: str
    lock: Path

    @property
    def folder(self) -> Path:
        """Where it is."""
        return BENCH / self.name

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    async def install(self) -> None:
        """Makes it what the lock says, unless it is that already.

        Raises:
            BenchmarkError: a package cannot be had.
        """
        mark = self.folder / "lock.sha256"
        digest = sha256(self.lock.read_bytes()).hexdigest()
        if mark.exists() and mark.read_text() == digest:
            return
        uv = Path(sys.executable).with_name("uv")
        await run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, self.folder)
        # What is in the lock and nothing else: it may leave out what a package asks for.
        into = ("--python", self.python, "--require-hashes", self.lock)
        await run(uv, "pip", "sync", "--quiet", *into)
        mark.write_text(digest)

    async def versions(self, *names: str) -> dict[str, str]:
        """The versions of packages in it."""
        program = "import sys, importlib.metadata as m; print(*map(m.version, sys.argv[1:]))"
        output = await run(self.python, "-c", program, *names)
        return dict(zip(names, output.split(), strict=True))


async def run(*command: str | Path, env: Mapping[str, str] | None = None) -> str:
    """Runs a command to its end and returns what it printed.

    Raises:
        BenchmarkError: it failed.
    """
    process = await asyncio.create_subprocess_exec(
        *command, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode:
        shown = " ".join(map(str, command[:4]))
        raise BenchmarkError(f"{shown} failed:\n{output.decode(errors='replace')[-4000:]}")
    return output.decode(errors="replace")
