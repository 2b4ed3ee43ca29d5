"""A peer: a bare FastAPI endpoint with PyJWT, served by uvicorn. Runs in `.bench`.

Checked at each request: signature (ES256), issuer, audience, times and the scope; the request and
the answer are pydantic models. Set up to be fast: uvloop, httptools, no access log, one process.

Usage: fastapi_echo.py PORT PUBLIC_KEY_FILE ISSUER AUDIENCE SCOPE
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import jwt
import uvicorn
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from fastapi import Depends, FastAPI, Header, HTTPException  # ty: ignore[import-not-found]
from pydantic import BaseModel, Field


class EchoRequest(BaseModel):
    """What to say."""

    text: str = Field(min_length=1, max_length=10_000)
    max_tokens: int = Field(default=0, ge=0, le=100_000)


class EchoResponse(BaseModel):
    """What was said."""

    text: str
    truncated: bool = False


def make_app(*, public_key: Any, issuer: str, audience: str, scope: str) -> Any:
    """The application; `public_key` is parsed once, not at each request."""
    app = FastAPI()

    async def authorize(authorization: Annotated[str, Header()] = "") -> dict[str, Any]:
        try:
            claims = jwt.decode(
                authorization.removeprefix("Bearer "),
                public_key,
                algorithms=["ES256"],
                audience=audience,
                issuer=issuer,
                options={"require": ["exp", "iat", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise HTTPException(status_code=401) from error
        if scope not in claims["scope"].split():
            raise HTTPException(status_code=403)
        return claims

    @app.post("/v1/echo:echo")
    async def echo(
        request: EchoRequest, claims: Annotated[dict[str, Any], Depends(authorize)]
    ) -> EchoResponse:
        return EchoResponse(text=request.text)

    return app


if __name__ == "__main__":
    port, key_file, issuer, audience, scope = sys.argv[1:]
    uvicorn.run(
        make_app(
            public_key=load_pem_public_key(Path(key_file).read_bytes()),
            issuer=issuer,
            audience=audience,
            scope=scope,
        ),
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
