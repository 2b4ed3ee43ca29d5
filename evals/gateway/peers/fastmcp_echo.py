"""A peer: FastMCP's server with one echo tool, over streamable HTTP. Runs in `.bench`.

Set up to be as fast as it honestly goes: no sessions (`stateless_http`), plain JSON answers
(`json_response`), uvloop, httptools, no access log. Tokens are verified by its own `JWTVerifier`.

Usage: fastmcp_echo.py PORT PUBLIC_KEY_FILE ISSUER AUDIENCE SCOPE
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastmcp import FastMCP  # ty: ignore[import-not-found]
from fastmcp.server.auth.providers.jwt import JWTVerifier  # ty: ignore[import-not-found]
from pydantic import BaseModel, Field


class EchoResponse(BaseModel):
    """What was said."""

    text: str
    truncated: bool = False


def make_app(*, public_key: str, issuer: str, audience: str, scope: str) -> Any:
    """The application."""
    verifier = JWTVerifier(
        public_key=public_key,
        issuer=issuer,
        audience=audience,
        algorithm="ES256",
        required_scopes=[scope],
    )
    server = FastMCP("echo", auth=verifier)

    @server.tool
    async def echo(
        text: Annotated[str, Field(min_length=1, max_length=10_000)],
        max_tokens: Annotated[int, Field(ge=0, le=100_000)] = 0,
    ) -> EchoResponse:
        """Says a text back. Calling it again is safe."""
        return EchoResponse(text=text)

    return server.http_app(path="/mcp", json_response=True, stateless_http=True)


if __name__ == "__main__":
    port, key_file, issuer, audience, scope = sys.argv[1:]
    uvicorn.run(
        make_app(
            public_key=Path(key_file).read_text(), issuer=issuer, audience=audience, scope=scope
        ),
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
