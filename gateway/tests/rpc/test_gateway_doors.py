"""A package that the gateway never heard of is served by gRPC, HTTP/JSON and MCP."""

import json
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc.aio
import httpx
import pytest

_ECHO = "/toolmesh.echo.v1.EchoService"


async def test_every_door_reaches_the_method(mesh: Any, door: Any) -> None:
    """The same call is answered alike by gRPC, HTTP/JSON and MCP."""
    outcome = await door(mesh.token("echo:use"), {"textToSay": 'größe "x"\n'})
    assert outcome.code == 0
    assert outcome.answer["textSaid"] == 'größe "x"\n'


def test_json_answers_have_one_shape(mesh: Any, http: httpx.Client) -> None:
    """Names are lowerCamelCase, and fields at their default are there."""
    answer = http.post("/v1/echo:say", json={"text_to_say": "a"}, headers=_bearer(mesh, "echo:use"))
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"textSaid": "a", "headers": [], "truncated": False, "padding": ""}


async def test_mcp_client(mesh: Any, mcp_session: Callable[..., Any]) -> None:
    """The official MCP client initializes, lists what the caller may call, and calls it."""
    async with mcp_session(mesh.token("echo:use")) as session:
        await session.initialize()
        listed = await session.list_tools()
        assert [tool.name for tool in listed.tools] == ["echo_say"]
        result = await session.call_tool("echo_say", {"textToSay": 'a "b" \\ \n ü'})
    assert not result.is_error
    assert result.structured_content["textSaid"] == 'a "b" \\ \n ü'
    assert json.loads(result.content[0].text) == result.structured_content


async def test_mcp_client_reads_failures(mesh: Any, mcp_session: Callable[..., Any]) -> None:
    """A tool's failure and a missing scope come as the tool's error, with the status inside."""
    async with mcp_session(mesh.token("echo:use")) as session:
        await session.initialize()
        failed = await session.call_tool("echo_say", {"failWith": 9})
        denied = await session.call_tool("echo_say_to", {"roomName": "r", "text": "t"})
    assert failed.is_error
    assert json.loads(failed.content[0].text)["message"] == 'it failed, "as asked"'
    assert denied.is_error
    assert json.loads(denied.content[0].text)["details"][0]["metadata"] == {"scope": "echo:admin"}


async def test_mcp_client_without_token(mcp_session: Callable[..., Any], mcp_failure: Any) -> None:
    """An MCP client without a token is told what it lacks."""
    with pytest.RaisesGroup(
        pytest.RaisesExc(mcp_failure, match="access token is missing"), flatten_subgroups=True
    ):
        async with mcp_session(None) as session:
            await session.initialize()


async def test_mcp_path_arguments(mesh: Any, mcp_session: Callable[..., Any]) -> None:
    """An argument that is part of the HTTP path is found by its JSON name."""
    async with mcp_session(mesh.token("echo:admin")) as session:
        await session.initialize()
        result = await session.call_tool("echo_say_to", {"roomName": "hall 1", "text": "hi"})
    assert result.structured_content == {"text": "hall 1: hi"}


def test_stream_as_server_sent_events(mesh: Any, http: httpx.Client) -> None:
    """A streaming method answers HTTP callers with one event a message."""
    with http.stream(
        "GET", "/v1/echo/r:count", params={"last": 3}, headers=_bearer(mesh, "echo:read")
    ) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        events = [line.removeprefix("data: ") for line in answer.iter_lines() if line]
    assert [json.loads(event) for event in events] == [{"number": n} for n in (1, 2, 3)]


def test_stream_is_not_held_back(mesh: Any, http: httpx.Client) -> None:
    """Each message of a stream arrives when it was sent, not when the stream ends."""
    query = {"last": 2, "pause": "5s"}
    with http.stream(
        "GET", "/v1/echo/r:count", params=query, headers=_bearer(mesh, "echo:read"), timeout=3
    ) as answer:
        assert next(answer.iter_lines()) == 'data: {"number":1}'


async def test_stream_by_grpc(mesh: Any, channel: grpc.aio.Channel) -> None:
    """A streaming method streams to gRPC callers."""
    method = mesh.contract.by_path[f"{_ECHO}/Count"]
    stub: Any = channel.unary_stream(
        method.path,
        request_serializer=method.input_class.SerializeToString,
        response_deserializer=method.output_class.FromString,
    )
    metadata = tuple(_bearer(mesh, "echo:read").items())
    call = stub(method.input_class(last=3), metadata=metadata)
    assert [answer.number async for answer in call] == [1, 2, 3]


def test_raw_upload(mesh: Any, http: httpx.Client) -> None:
    """A raw body streams into a method; what the path names is in the first message."""
    headers = {**_bearer(mesh, "echo:write"), "content-type": "application/x-tar"}
    body = b"z" * 9_000_000  # more than a request that does not stream may have
    answer = http.post("/v1/echo/room1:upload", content=body, headers=headers).json()
    assert answer["firstRoom"] == "room1"
    assert answer["sizeBytes"] == len(body)
    assert answer["contentType"] == "application/x-tar"
    assert answer["messageCount"] > 1


async def test_upload_by_grpc(mesh: Any, channel: grpc.aio.Channel) -> None:
    """A client's stream of any size passes."""
    method = mesh.contract.by_path[f"{_ECHO}/Upload"]
    stub: Any = channel.stream_unary(
        method.path,
        request_serializer=method.input_class.SerializeToString,
        response_deserializer=method.output_class.FromString,
    )

    async def pieces() -> AsyncIterator[Any]:
        for _ in range(8):
            yield method.input_class(room="a", data={"data": b"z" * 1_000_000})

    answer = await stub(pieces(), metadata=tuple(_bearer(mesh, "echo:write").items()))
    assert answer.size_bytes == 8_000_000


def test_grpc_web(mesh: Any, http: httpx.Client) -> None:
    """A browser's gRPC-Web call is answered."""
    method = mesh.contract.by_path[f"{_ECHO}/Whisper"]
    message = method.input_class(text="psst").SerializeToString()
    frame = struct.pack(">BI", 0, len(message)) + message
    headers = {**_bearer(mesh), "content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    answer = http.post(method.path, content=frame, headers=headers)
    assert answer.headers["content-type"] == "application/grpc-web+proto"
    size = struct.unpack(">I", answer.content[1:5])[0]
    assert method.output_class.FromString(answer.content[5 : 5 + size]).text == "psst"


def test_grpc_web_refusal(mesh: Any, http: httpx.Client) -> None:
    """A refused gRPC-Web call is told so in gRPC's terms."""
    headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    answer = http.post(f"{_ECHO}/Whisper", content=b"", headers=headers)
    assert answer.headers["grpc-status"] == "16"


def test_public_method(http: httpx.Client) -> None:
    """A public method needs no token, by any of its HTTP forms."""
    assert http.get("/v1/echo:ping").json() == {"room": ""}
    assert http.get("/v1/echo/hall/ping").json() == {"room": "hall"}


async def test_public_method_by_grpc(grpc_outcome: Any) -> None:
    """A public method needs no token by gRPC."""
    assert (await grpc_outcome(f"{_ECHO}/Ping", {})).code == 0


def test_public_path_with_another_verb(http: httpx.Client) -> None:
    """What is public is the method, not the path."""
    assert http.post("/v1/echo:ping").status_code == 401


async def test_authenticated_method(mesh: Any, grpc_outcome: Any) -> None:
    """A method for any caller asks for a token but for no scope."""
    path = f"{_ECHO}/Whisper"
    assert (await grpc_outcome(path, {"text": "a"}, token=mesh.token())).answer == {"text": "a"}
    assert (await grpc_outcome(path, {"text": "a"})).code == 16


def test_destructive_method(mesh: Any, http: httpx.Client) -> None:
    """DELETE becomes the method that the contract names."""
    answer = http.delete("/v1/echo/r", headers=_bearer(mesh, "echo:write"))
    assert answer.json() == {}


def test_raw_answers(http: httpx.Client) -> None:
    """A method that answers with `HttpBody` answers HTTP callers with what is in it."""
    keys = http.get("/.well-known/jwks.json")
    assert keys.headers["content-type"].startswith("application/json")
    assert keys.json()["keys"][0]["alg"] == "ES256"
    assert http.get("/v1/openapi.json").json()["openapi"].startswith("3.1")


def test_health(http: httpx.Client) -> None:
    """The gateway says that it lives and that identity answers."""
    assert http.get("/healthz").status_code == 200
    assert http.get("/readyz").status_code == 200


async def test_request_id_and_trace_pass(mesh: Any, door: Any) -> None:
    """A caller's request id and trace reach the service."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"x-request-id": "my-id", "traceparent": trace}
    outcome = await door(mesh.token("echo:use"), {"wantHeaders": True}, headers)
    assert "x-request-id: my-id" in outcome.answer["headers"]
    assert f"traceparent: {trace}" in outcome.answer["headers"]


def test_request_id_is_made(http: httpx.Client) -> None:
    """Every answer has a request id."""
    assert http.get("/v1/echo:ping").headers["x-request-id"]


def test_cors(start_gateway: Callable[..., Any]) -> None:
    """A page of a named origin may call, and any other may not."""
    own = start_gateway(gateway_cors_origins=("https://console.example",))
    with httpx.Client(
        base_url=own.url, headers={"access-control-request-method": "POST"}
    ) as client:
        allowed = client.options("/v1/echo:say", headers={"origin": "https://console.example"})
        refused = client.options("/v1/echo:say", headers={"origin": "https://evil.example"})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://console.example"
    assert "access-control-allow-origin" not in refused.headers


def test_mcp_can_be_turned_off(mesh: Any, start_gateway: Callable[..., Any]) -> None:
    """Without the setting there is no `/mcp`, and all else is as before."""
    own = start_gateway(gateway_mcp=False)
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    with httpx.Client(base_url=own.url, headers=_bearer(mesh, "echo:use")) as client:
        assert client.post("/mcp", json=call).status_code in (404, 405)
        assert client.post("/v1/echo:say", json={}).status_code == 200


def _bearer(mesh: Any, *scopes: str) -> dict[str, str]:
    return {"authorization": f"Bearer {mesh.token(*scopes)}"}
