"""No secret is written down: everything that takes one is called, and every place is searched.

Secrets are used rightly and wrongly, in the places where they belong and where callers put them by
mistake. Then all logs, refusals, audit events, the store's files, the configuration, and the
processes' command lines and environments are searched for each of them. A canary that must be found
shows that the search would find a secret.
"""

import base64
import io
import json
import secrets
import tarfile
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import psutil
import pytest
import redis

from toolmesh.identity.v1 import (
    session_service_pb2,
    session_service_pb2_grpc,
    token_service_pb2,
    token_service_pb2_grpc,
)
from toolmesh_identity.secret import Secret

_PATIENCE_SECONDS = 20
_ID = "x-request-id"
_WHOAMI = "/v1/whoami"


@dataclass
class Run:
    """Calls to the mesh, with the secrets that were used and all that was said when one failed."""

    http: httpx.Client
    address: str
    used: dict[str, bytes] = field(default_factory=dict[str, bytes])
    refusals: list[str] = field(default_factory=list[str])

    def secret(self, name: str, text: str | bytes) -> Any:
        """Remembers a secret, and gives it back."""
        whole = text.encode() if isinstance(text, str) else text
        self.used[f"{name} {len(self.used)}"] = whole
        return text

    def key(self, whole: str) -> str:
        """Remembers the secret part of an API key or a refresh token; the id may be told."""
        self.secret("key", whole.split("_", 2)[2])
        return whole

    def token(self, whole: str) -> str:
        """Remembers what makes an access token one: its signature."""
        self.secret("signature", whole.rpartition(".")[2])
        return whole

    def password(self) -> str:
        """A new password."""
        return self.secret("password", f"pass-{secrets.token_urlsafe(18)}")

    def call(self, verb: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
        """Makes a call; keeps what is said if it is refused."""
        given = {"content": body} if isinstance(body, (bytes, str)) else {"json": body}
        answer = self.http.request(verb, path, **given, **more)
        if answer.status_code >= 400 or "isError" in answer.text:
            # All but the id, which its caller may have chosen.
            headers = {name: text for name, text in answer.headers.items() if name != _ID}
            self.refusals.append(f"{headers} {answer.text}")
        return answer.json() if answer.text.startswith("{") else {}

    def grpc(self, stub: type[Any], method: str, request: Any) -> None:
        """Makes a call that has to be refused."""
        with grpc.insecure_channel(self.address) as channel:
            with pytest.raises(grpc.RpcError) as caught:
                getattr(stub(channel), method)(request, timeout=10)
            self.refusals.append(f"{caught.value} {caught.value.trailing_metadata()}")

    def mcp(self, headers: Mapping[str, str], name: str, arguments: Any) -> None:
        """Calls a tool by MCP."""
        params = {"name": name, "arguments": arguments}
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        self.call("POST", "/mcp", call, headers=headers)


@pytest.fixture
def run(mesh_address: str, mesh_admin_key: str) -> Generator[Run]:
    """A run with the administrator's key among its secrets."""
    with httpx.Client(base_url=f"http://{mesh_address}", timeout=20) as client:
        started = Run(client, mesh_address)
        started.key(mesh_admin_key)
        yield started


def bearer(token: str) -> dict[str, str]:
    """The header of a token."""
    return {"authorization": f"Bearer {token}"}


def test_no_secret_is_written_down(run: Run, mesh_folder: Path, mesh_admin_key: str) -> None:
    """Neither of users, keys and tokens that are good nor of those that are not."""
    admin = {"x-api-key": mesh_admin_key}
    run.secret("file", (mesh_folder / "data" / "identity" / "secret.key").read_bytes())
    user = f"secret-{secrets.token_hex(4)}"
    password = _users(run, admin, user)
    _sessions(run, user, password)
    _keys(run, admin, user)
    _tokens(run, admin)
    _mistakes(run, admin)
    _signing_keys(run, mesh_folder)
    canary = _canary(run, admin)
    places = _places(run, mesh_folder, admin, canary)

    found = [
        (name, place)
        for place, content in places.items()
        for name, secret in run.used.items()
        for form in (secret, base64.b64encode(secret).rstrip(b"="), secret.hex().encode())
        if form in content
    ]
    size = sum(len(content) for content in places.values())
    print(f"{len(run.used)} secrets sought in {len(places)} places of {size} bytes")
    assert found == []
    with_canary = {place for place, content in places.items() if canary.encode() in content}
    assert with_canary >= {"audit", "refusals", "store", "logs/gateway.log", "logs/identity.log"}
    assert b"toolmesh_identity" in places["processes"]
    assert b"TOOLMESH_SECRET_FILE" in places["processes"]


def _users(run: Run, admin: dict[str, str], user: str) -> str:
    """Makes users, sets and changes passwords; returns the last one."""
    first, second, third = run.password(), run.password(), run.password()
    body = {"id": user, "roles": ["developer"], "password": first}
    assert run.call("POST", "/v1/users", body, headers=admin)["user"]
    run.call("POST", "/v1/users", body, headers=admin)
    run.call("POST", "/v1/users", {"id": "b", "password": run.password()[:11]}, headers=admin)
    run.call("POST", "/v1/users", {"id": "b", "password": run.password() * 20}, headers=admin)
    body = {"password": second}
    assert run.call("POST", f"/v1/users/{user}:setPassword", body, headers=admin)["user"]
    signed_in = run.call("POST", "/v1/sessions:signIn", {"user": user, "password": second})
    headers = bearer(run.token(signed_in["accessToken"]))
    run.key(signed_in["refreshToken"])
    wrong = {"currentPassword": run.password(), "newPassword": third}
    run.call("POST", "/v1/users:changePassword", wrong, headers=headers)
    right = {"currentPassword": second, "newPassword": third}
    assert run.call("POST", "/v1/users:changePassword", right, headers=headers) == {}
    return third


def _sessions(run: Run, user: str, password: str) -> None:
    """Signs in rightly and wrongly, refreshes, uses a refresh token twice, signs out."""
    sign_in, refresh = "/v1/sessions:signIn", "/v1/sessions:refresh"
    first = run.call("POST", sign_in, {"user": user, "password": password})
    token, used = run.token(first["accessToken"]), run.key(first["refreshToken"])
    second = run.call("POST", refresh, {"refreshToken": used})
    run.token(second["accessToken"])
    run.key(second["refreshToken"])
    run.call("POST", refresh, {"refreshToken": used})
    run.call("POST", refresh, {"refreshToken": second["refreshToken"]})
    run.call("GET", _WHOAMI, headers=bearer(token))
    third = run.call("POST", sign_in, {"user": user, "password": password})
    headers = bearer(run.token(third["accessToken"]))
    run.key(third["refreshToken"])
    assert run.call("GET", "/v1/sessions", headers=headers)["sessions"]
    assert run.call("POST", "/v1/sessions:signOut", {}, headers=headers) == {}
    run.call("POST", sign_in, {"user": user, "password": run.password()})
    run.call("POST", sign_in, {"user": run.password(), "password": password})
    request = session_service_pb2.SignInRequest(user="nobody", password=run.password())
    run.grpc(session_service_pb2_grpc.SessionServiceStub, "SignIn", request)
    for body in (
        f'{{"user": "x", "password": "{run.password()}',
        f'{{"user": "x", "password": {{"a": "{run.password()}"}}}}',
        f'{{"user": "x", "password": ["{run.password()}"]}}',
        f'{{"user": "x", "password": "{run.password()}" nonsense}}',
        f'{{"user": "x", "password": "{run.password()}", "nosuch": 1}}',
        f"{{'user': 'x', 'password': {run.password()}}}",
        f"user=x&password={run.password()}",
        json.dumps({"user": "x", "password": run.password()}) + "}",
        json.dumps({"user": "x", "passwort": run.password()}),
    ):
        run.call("POST", sign_in, body, headers={"content-type": "application/json"})
    run.call("POST", f"{sign_in}?password={run.password()}", {"user": "x"})
    run.call("GET", f"{sign_in}?password={run.password()}")


def _keys(run: Run, admin: dict[str, str], user: str) -> None:
    """Makes, uses, rotates and revokes API keys."""
    body = {"displayName": "secrets", "subject": user, "roles": ["developer"]}
    made = run.call("POST", "/v1/apiKeys", body, headers=admin)
    key, path = run.key(made["key"]), f"/v1/apiKeys/{made['apiKey']['id']}"
    assert run.call("GET", _WHOAMI, headers={"x-api-key": key})["subject"] == user
    assert run.call("GET", _WHOAMI, headers=bearer(key))["subject"] == user
    exchanged = run.call("POST", "/v1/tokens:exchange", {"apiKey": key})
    headers = bearer(run.token(exchanged["accessToken"]))
    rotated = run.call("POST", f"{path}:rotate", {"overlapSeconds": 60}, headers=admin)
    run.key(rotated["key"])
    workspace = run.call("POST", "/v1/workspaces", {"displayName": "x"}, headers=headers)
    name = workspace["workspace"]["id"]
    run.call("POST", f"/v1/workspaces/{name}:upload", _tar(), headers=headers)
    run.mcp(headers, "repomap_map", {"workspace": name})
    run.mcp({"x-api-key": rotated["key"]}, "repomap_map", {"workspace": "nosuch"})
    assert run.call("POST", f"{path}:revoke", {}, headers=admin)["apiKey"]
    for headers in ({"x-api-key": key}, bearer(rotated["key"])):
        run.call("GET", _WHOAMI, headers=headers)
        run.mcp(headers, "repomap_map", {})
    altered = key[:-4] + "AAAA"
    run.call("POST", "/v1/tokens:exchange", {"apiKey": run.key(altered)})
    run.call("POST", "/v1/tokens:exchange", {"apiKey": run.key(key) * 5})
    request = token_service_pb2.ExchangeTokenRequest(api_key=key)
    run.grpc(token_service_pb2_grpc.TokenServiceStub, "ExchangeToken", request)


def _tokens(run: Run, admin: dict[str, str]) -> None:
    """Uses access tokens where they belong, and garbled ones; rotates the signing key."""
    exchange = {"apiKey": admin["x-api-key"]}
    token = run.token(run.call("POST", "/v1/tokens:exchange", exchange)["accessToken"])
    assert run.call("POST", "/v1/signingKeys:rotate", {}, headers=bearer(token))["keyId"]
    for query in (f"access_token={token}", f"access_token={token}&nosuch=1"):
        run.call("GET", f"{_WHOAMI}?{query}")
        run.call("GET", f"/v1/nosuch?{query}")
        run.call("POST", f"/v1/users?{query}", {})
    run.call("GET", _WHOAMI, headers={"cookie": f"toolmesh_token={token}"})
    signature = token.rpartition(".")[2]
    for bad in (f"{token}x", f"{token},", token[:-1], f"e30.e30.{signature}"):
        for path in (_WHOAMI, "/v1/users"):
            run.call("GET", path, headers=bearer(bad))
        run.mcp(bearer(bad), "repomap_map", {})
    run.call("GET", _WHOAMI, headers={"authorization": token})
    run.call("GET", _WHOAMI, headers={"x-api-key": token})
    run.call("GET", "/v1/audit/events", headers=bearer(token))


def _mistakes(run: Run, admin: dict[str, str]) -> None:
    """Puts keys, tokens and passwords where they do not belong."""
    key, token = admin["x-api-key"], f"eyJhbGciOiJFUzI1NiJ9.{'e30'}.{secrets.token_urlsafe(64)}"
    run.token(token)
    password = run.password()
    for credential in (key, token):
        run.call("POST", f"/v1/apiKeys/{credential}:revoke", {}, headers=admin)
        run.call("GET", f"/v1/users/{credential}", headers=admin)
        run.call("GET", f"/{credential}")
        run.call("DELETE", f"/v1/sessions/{credential}", headers=admin)
        for header in ("x-request-id", "user-agent", "traceparent", "referer"):
            run.call("GET", _WHOAMI, headers={**admin, header: credential})
            run.call("GET", "/v1/users/nobody", headers={header: credential})
        run.call("POST", "/v1/repomap:map", {"workspace": credential}, headers=admin)
        run.mcp(admin, "repomap_map", {"workspace": credential})
        # Its caller is told the name of the tool again, by the bridge; nobody else is.
        params = {"name": credential, "arguments": {}}
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        run.http.post("/mcp", json=call, headers=admin)
    basic = run.secret("basic", base64.b64encode(f"x:{password}".encode()))
    run.call("GET", _WHOAMI, headers={"authorization": f"Basic {basic.decode()}"})
    run.call("GET", f"http://x:{password}@{run.address}{_WHOAMI}")


def _signing_keys(run: Run, folder: Path) -> None:
    """Remembers the private keys, which lie sealed in the store."""
    sealed = Secret.open(folder / "data" / "identity" / "secret.key")
    with redis.Redis(unix_socket_path=str(folder / "run" / "valkey.sock")) as store:
        kept: Any = store.hgetall("identity:signing_keys")
    assert len(kept) == 2
    for content in kept.values():
        for line in sealed.unseal(content).splitlines()[1:-1]:
            run.secret("private key", line)


def _canary(run: Run, admin: dict[str, str]) -> str:
    """Puts a text where it is written down."""
    canary = f"canary-{secrets.token_hex(16)}"
    headers = {**admin, "x-request-id": canary}
    body = {"id": f"user-{canary}", "displayName": canary}
    assert run.call("POST", "/v1/users", body, headers=headers)["user"]
    run.call("GET", f"/v1/users/{canary}", headers=headers)
    return canary


def _places(run: Run, folder: Path, admin: dict[str, str], canary: str) -> dict[str, bytes]:
    """The content of every place, once the last call is in all of them."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        exported = run.http.get("/v1/audit/events:export", headers=admin).content
        log = (folder / "logs" / "gateway.log").read_bytes()
        # The change and two calls; a line a call.
        if exported.count(canary.encode()) >= 4 and log.count(canary.encode()) >= 2:
            break
        assert time.monotonic() < deadline, "the last call is not logged"
        time.sleep(0.1)
    places = {
        str(file.relative_to(folder)): file.read_bytes()
        for parent in ("logs", "run")
        for file in (folder / parent).iterdir()
        if file.is_file()
    }
    places["mesh.json"] = (folder / "mesh.json").read_bytes()
    places["refusals"] = "\n".join(run.refusals).encode()
    places["audit"] = exported
    places["store"] = b"\n".join(
        file.read_bytes() for file in (folder / "data" / "valkey").rglob("*") if file.is_file()
    )
    places["processes"] = b"\n".join(_process(each) for each in _processes(folder))
    return places


def _processes(folder: Path) -> list[psutil.Process]:
    marked: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TOOLMESH_MESH_FOLDER") == str(folder):
                marked.append(process)
        except (psutil.Error, OSError):
            continue
    return marked


def _process(process: psutil.Process) -> bytes:
    folder = Path(f"/proc/{process.pid}")
    try:
        return (folder / "cmdline").read_bytes() + b"\n" + (folder / "environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return b""


def _tar() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        content = b"def greet():\n    return 'hello'\n"
        member = tarfile.TarInfo("greet.py")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()
