"""Generates the stubs and the descriptor set from `proto/`: `python -m toolmesh_contracts.build`.

Fails, naming the method, when a contract breaks a rule of `toolmesh_contracts.contract`, for
example a method without a policy. What was generated before is then left as it was.
"""

import argparse
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

# Google's protos that ours import or that errors carry. They come from the installed wheel.
_GOOGLE_PROTOS = (
    "google/api/annotations.proto",
    "google/api/http.proto",
    "google/api/httpbody.proto",
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
)
DESCRIPTOR_SET = "descriptors.binpb"


class BuildError(Exception):
    """The protos do not compile or break a rule; the message is for the person who wrote them."""


def collect_google_protos(include: Path) -> None:
    """Copies Google's annotation protos out of the installed wheel into the folder `include`."""
    google = Path(str(files("google.api").joinpath("annotations.proto"))).parent.parent
    for name in _GOOGLE_PROTOS:
        target = include / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(google.parent / name, target)


def compile_protos(*, proto: Path, include: Path, out: Path) -> None:
    """Compiles every proto below `proto` into stubs and a descriptor set below `out`.

    Raises:
        BuildError: protoc refused; its words are in the message.
    """
    sources = sorted(str(path.relative_to(proto)) for path in proto.rglob("*.proto"))
    if not sources:
        raise BuildError(f"{proto} has no .proto file")
    package = out / "toolmesh"
    package.mkdir(parents=True)
    _protoc(
        f"--proto_path={proto}",
        f"--proto_path={include}",
        f"--descriptor_set_out={package / DESCRIPTOR_SET}",
        "--include_imports",
        "--include_source_info",
        f"--python_out={out}",
        f"--grpc_python_out={out}",
        f"--plugin=protoc-gen-mypy={_script('protoc-gen-mypy')}",
        f"--mypy_out=quiet:{out}",
        f"--plugin=protoc-gen-mypy_grpc={_script('protoc-gen-mypy_grpc')}",
        f"--mypy_grpc_out=quiet,only_async:{out}",
        *sources,
        # Only described, not generated: their Python comes with the wheel.
        descriptor_only=_GOOGLE_PROTOS[3:],
    )


def build(*, proto: Path, genproto: Path) -> None:
    """Generates `genproto/src` and `genproto/include` anew from `proto`.

    Raises:
        BuildError: the protos do not compile or break a rule.
    """
    include = genproto / "include"
    collect_google_protos(include)
    with tempfile.TemporaryDirectory(dir=genproto) as work:
        out = Path(work) / "src"
        compile_protos(proto=proto, include=include, out=out)
        _check(out)
        (out / "toolmesh" / "py.typed").touch()
        _replace(out, genproto / "src")


def _protoc(*arguments: str, descriptor_only: Sequence[str]) -> None:
    # A run each, since protoc writes code for every file that it is given.
    code_flags = ("--python_out", "--grpc_python_out", "--mypy_out", "--mypy_grpc_out", "--plugin")
    describe = [a for a in arguments if not a.startswith(code_flags)] + list(descriptor_only)
    generate = [
        a
        for a in arguments
        if not a.startswith(("--descriptor_set_out", "--include_imports", "--include_source_info"))
    ]
    for run in (describe, generate):
        done = subprocess.run(  # noqa: S603 - our own interpreter, our own arguments
            [sys.executable, "-m", "grpc_tools.protoc", *run],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BuildError(done.stderr.strip())


def _check(out: Path) -> None:
    # In a process of its own: the options must be read with the stubs just generated, and Python
    # keeps one version of a proto in a process. Without byte code, which would join the stubs.
    program = "import sys, toolmesh_contracts.contract as c; sys.exit(c.main(sys.argv[1]))"
    done = subprocess.run(  # noqa: S603 - our own interpreter, our own arguments
        [sys.executable, "-B", "-c", program, str(out / "toolmesh" / DESCRIPTOR_SET)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": f"{out}:{Path(__file__).parent.parent}"},
    )
    if done.returncode:
        raise BuildError(done.stderr.strip())


def _replace(new: Path, target: Path) -> None:
    """Makes `target` equal to `new`, leaving alone what is the same, so that nothing re-imports."""
    old = {path.relative_to(target) for path in target.rglob("*") if path.is_file()}
    made = {path.relative_to(new) for path in new.rglob("*") if path.is_file()}
    for path in old - made:
        if "__pycache__" not in path.parts:
            (target / path).unlink()
    for path in made:
        destination = target / path
        content = (new / path).read_bytes()
        if not destination.exists() or destination.read_bytes() != content:
            destination.parent.mkdir(parents=True, exist_ok=True)
            destination.write_bytes(content)


def _script(name: str) -> str:
    return str(Path(sysconfig.get_path("scripts")) / name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the build for the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--proto", type=Path, default=Path("proto"))
    parser.add_argument("--genproto", type=Path, default=Path("libs/genproto"))
    options = parser.parse_args(arguments)
    try:
        build(proto=options.proto, genproto=options.genproto)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
