"""The first start: makes one administrator's key, so that someone can get in."""

import asyncio
from contextlib import suppress
from pathlib import Path

import structlog

from toolmesh_identity.api_keys import ApiKeys, NewApiKey, new_key
from toolmesh_identity.errors import ApiKeyInvalid, UserExists
from toolmesh_identity.secret import write_private
from toolmesh_identity.users import NewUser, Users
from toolmesh_serving.redis_store import Store, reaching_store

_log = structlog.get_logger()

_DONE = "identity:first_admin_made"
_ADMIN_USER = NewUser(id="admin", display_name="first administrator", roles=("admin",))
_ADMIN = NewApiKey(display_name="first administrator", subject="admin", roles=("admin",))


async def ensure_first_admin(store: Store, users: Users, keys: ApiKeys, path: Path) -> None:
    """Makes the administrator and its key unless this mesh ever had one.

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
    # Of replicas that start at once, the first one's file holds for all.
    made = write_private(path, f"{new_key()}\n".encode())
    kept = await asyncio.to_thread(path.read_text)
    with suppress(UserExists):
        await users.create(_ADMIN_USER, granter=None)
    try:
        await keys.adopt(kept.strip(), _ADMIN)
    except ApiKeyInvalid as error:
        raise ApiKeyInvalid(f"{path} does not hold an API key; remove it to get one") from error
    _log.info("administrator's key made" if made else "administrator's key taken", file=str(path))
    with reaching_store():
        await store.set(_DONE, 1)
