"""Checks who may import whom, with import-linter and rules made from the folders that are there.

The rules: libraries do not import services; services do not import each other; the domain modules
of a service import neither gRPC nor generated code, which its adapters do (`servicer.py`,
`service.py`, `*_servicer.py`, `*_client.py`); the libraries form layers.
"""

import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

_ADAPTERS = ("servicer", "service", "__main__", "__init__")
_ADAPTER_ENDINGS = ("_servicer", "_client")
# From the top down: each may import what stands below it.
_LAYERS = (
    "toolmesh_cli",
    "toolmesh_outlines",
    "toolmesh_workspaces",
    "toolmesh_serving",
    "toolmesh_client",
)
_LOWEST = "toolmesh_contracts"


def packages(folder: str) -> list[str]:
    """The import packages of the distributions in a folder, generated stubs left out."""
    return sorted(path.parent.name for path in Path(folder).glob("*/src/toolmesh_*/__init__.py"))


def domain_modules(service: str) -> Iterator[str]:
    """The modules of a service that are no adapters."""
    source = next(Path("services").glob(f"*/src/{service}"))
    for path in sorted(source.rglob("*.py")):
        name = path.stem
        if name not in _ADAPTERS and not name.endswith(_ADAPTER_ENDINGS):
            yield ".".join(path.relative_to(source.parent).with_suffix("").parts)


def config() -> str:
    """import-linter's configuration."""
    libs, services = packages("libs"), packages("services")
    roots = [*libs, *services, "toolmesh_gateway", "toolmesh"]
    domain = [module for service in services for module in domain_modules(service)]
    sections = [
        ("", {"root_packages": roots, "include_external_packages": ["True"]}),
        (
            ":libs",
            {
                "name": ["libraries do not import services"],
                "type": ["forbidden"],
                "source_modules": libs,
                "forbidden_modules": [*services, "toolmesh_gateway"],
            },
        ),
        (
            ":layers",
            {
                "name": ["libraries form layers"],
                "type": ["layers"],
                "layers": [*(layer for layer in _LAYERS if layer in libs), _LOWEST],
            },
        ),
        (
            ":services",
            {
                "name": ["services do not import each other"],
                "type": ["independence"],
                "modules": [*services, "toolmesh_gateway"],
            },
        ),
        (
            ":domain",
            {
                "name": ["domain modules know nothing of gRPC"],
                "type": ["forbidden"],
                "source_modules": domain,
                "forbidden_modules": ["grpc", "toolmesh"],
                "allow_indirect_imports": ["True"],
            },
        ),
    ]
    return "\n".join(
        f"[importlinter{name}]\n"
        + "\n".join(f"{key} ={_value(values)}" for key, values in settings.items())
        for name, settings in sections
    )


def _value(values: list[str]) -> str:
    return f" {values[0]}" if len(values) == 1 else "".join(f"\n    {value}" for value in values)


def main() -> int:
    """Runs import-linter and returns its exit code."""
    with tempfile.NamedTemporaryFile("w", suffix=".ini") as file:
        file.write(config())
        file.flush()
        lint = Path(sysconfig.get_path("scripts")) / "lint-imports"
        return subprocess.run(  # noqa: S603 - our own tool
            [str(lint), "--config", file.name, "--no-cache"], check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
