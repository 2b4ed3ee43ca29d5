"""The tokens of who signed in are kept, refreshed once, and shown to nobody."""

import asyncio
import io
import stat
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from toolmesh.identity.v1 import session_service_pb2, user_service_pb2
from toolmesh_cli.connection import Session
from toolmesh_cli.failures import CliError
from toolmesh_cli.secrets import ask_secret, is_secret
from toolmesh_cli.signed_in import SignedIn, SignedInFile

URL = "http://mesh.example.com:80"


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    """An environment with a state folder of its own."""
    return {"XDG_STATE_HOME": str(tmp_path), "TOOLMESH_URL": URL}


def session_of(seconds_left: float) -> SignedIn:
    """A session whose access token ends then."""
    return SignedIn("ann", "ey.old", "refresh-1", time.time() + seconds_left)


async def test_the_file_is_its_owners_alone(environ: Mapping[str, str]) -> None:
    """Neither the file nor its folder can be entered by others."""
    file = SignedInFile(environ)
    await file.put(URL, session_of(900))
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


async def test_each_mesh_has_its_own_session(environ: Mapping[str, str]) -> None:
    """Forgetting one leaves the other."""
    file = SignedInFile(environ)
    await file.put(URL, session_of(900))
    await file.put("http://other:1", session_of(900))
    await file.put(URL, None)
    assert file.get(URL) is None
    assert file.get("http://other:1") is not None


async def test_commands_at_once_refresh_once(environ: Mapping[str, str]) -> None:
    """A refresh token that is used twice ends the session, so one refreshes and all share it."""
    file = SignedInFile(environ)
    await file.put(URL, session_of(1))
    used: list[str] = []

    async def refresh(known: SignedIn) -> SignedIn:
        used.append(known.refresh_token)
        await asyncio.sleep(0)
        return known.refreshed(
            access_token="ey.new", refresh_token="refresh-2", expires_in_seconds=900
        )

    fresh = await asyncio.gather(*(SignedInFile(environ).fresh(URL, refresh) for _ in range(8)))
    assert used == ["refresh-1"]
    assert {each.access_token for each in fresh if each} == {"ey.new"}
    kept = file.get(URL)
    assert kept
    assert (kept.user, kept.refresh_token) == ("ann", "refresh-2")


async def test_a_fresh_token_is_used_as_it_is(environ: Mapping[str, str]) -> None:
    """Most commands make no call for it."""
    await SignedInFile(environ).put(URL, session_of(900))
    session = Session(environ=environ)
    credential = session.credential()
    assert await credential.token(session) == "ey.old"
    assert credential.origin == "signed in as ann"


async def test_what_is_named_goes_before_who_signed_in(environ: Mapping[str, str]) -> None:
    """A script that sets a token is not the person at the keyboard."""
    await SignedInFile(environ).put(URL, session_of(900))
    session = Session(environ={**environ, "TOOLMESH_TOKEN": "ey.script"})
    assert session.credential().value == "ey.script"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"http://mesh.example.com:80": {"a": 1}}'])
def test_a_garbled_file_is_nobody(environ: Mapping[str, str], content: str) -> None:
    """The error then says how to sign in."""
    file = SignedInFile(environ)
    file.path.parent.mkdir()
    file.path.write_text(content)
    with pytest.raises(CliError) as caught:
        Session(environ=environ).credential()
    assert "toolmesh sign-in" in caught.value.hint


def test_secrets_are_what_the_proto_says() -> None:
    """Passwords, keys and tokens are marked; ids are not."""
    create = user_service_pb2.CreateUserRequest.DESCRIPTOR.fields_by_name
    assert is_secret(create["password"])
    assert not is_secret(create["id"])
    assert is_secret(session_service_pb2.SignInResponse.DESCRIPTOR.fields_by_name["refresh_token"])


def test_a_secret_is_a_line_of_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each one takes a line, blanks included; without a line the error says what to do."""
    fields = user_service_pb2.ChangePasswordRequest.DESCRIPTOR.fields
    monkeypatch.setattr("sys.stdin", io.StringIO(" old one\nnew\r\n"))
    assert [ask_secret(field, again=True) for field in fields] == [" old one", "new"]
    with pytest.raises(CliError, match="stdin has no current password"):
        ask_secret(fields[0])
