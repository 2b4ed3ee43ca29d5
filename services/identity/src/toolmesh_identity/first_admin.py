"""The first start: makes one administrator's key, so that someone can get in."""

import asyncio
from pathlib import Path

import structlog

from toolmesh_identity.api_keys import ApiKeys, NewApiKey
from toolmesh_identity.secret import write_private
from toolmesh_identity.store import Store, reaching_store

_log = structlog.get_logger()

_DONE = "identity:first_admin_made"
_ADMIN = NewApiKey(display_name="first administrator", subject="admin", roles=("admin",))


async def ensure_first_admin(store: Store, keys: ApiKeys, path: Path) -> None:
    """Makes the administrator's key unless this mesh ever had one.

    The key is written to `path`, which only its owner can read. A file that is there already holds
    the key to use: so a mesh that lost its store, or one that gets its key from a mounted secret,
    keeps it.

    Raises:
        ApiKeyInvalid: the file at `path` does not hold an API key.
        Unavailable: Redis does not answer.
    """
    with reaching_store():
        if await store.exists(_DONE):
            return
    kept = await asyncio.to_thread(_read, path)
    if kept:
        await keys.adopt(kept, _ADMIN)
        _log.info("administrator's key taken", file=str(path))
    else:
        record, whole = await keys.create(_ADMIN)
        if not write_private(path, f"{whole}\n".encode()):
            # Another replica was faster; its key is the one.
            await keys.revoke(record.id)
        _log.info("administrator's key made", file=str(path))
    with reaching_store():
        await store.set(_DONE, 1)


def _read(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""
