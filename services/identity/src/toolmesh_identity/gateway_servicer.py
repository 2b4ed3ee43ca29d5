"""Answers Envoy's question at calls that bring an API key: who is this?

Envoy's `ext_authz` filter asks it only for API keys; a call with an access token never pays for it.
"""

from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from envoy.type.v3 import http_status_pb2
from google.rpc.code_pb2 import OK, UNAUTHENTICATED, UNAVAILABLE
from google.rpc.status_pb2 import Status

from toolmesh_identity.api_keys import KEY_PREFIX
from toolmesh_identity.errors import ApiKeyInvalid
from toolmesh_identity.exchange import KeyExchange
from toolmesh_serving.errors import Unavailable

CHECK_PATH = "/envoy.service.auth.v3.Authorization/Check"

_BEARER = "bearer "
_KEY_HEADER = "x-api-key"


class GatewayCheckServicer(external_auth_pb2_grpc.AuthorizationServicer):
    """Serves Envoy's `Authorization` service.

    It is not behind the mesh's own token check: to get a token from it one needs a valid API key,
    for which `ExchangeToken` gives the same to anyone.
    """

    def __init__(self, exchange: KeyExchange) -> None:
        self._exchange = exchange

    async def Check(self, request: external_auth_pb2.CheckRequest, context: Any) -> Any:
        """Replaces a valid API key by an access token; refuses any other."""
        headers = request.attributes.request.http.headers
        try:
            token = await self._exchange.exchange_for_gateway(_api_key(headers))
        except ApiKeyInvalid as error:
            return _denied(UNAUTHENTICATED, http_status_pb2.Unauthorized, error.message)
        except Unavailable as error:
            return _denied(UNAVAILABLE, http_status_pb2.ServiceUnavailable, error.message)
        return external_auth_pb2.CheckResponse(
            status=Status(code=OK),
            ok_response=external_auth_pb2.OkHttpResponse(
                headers=[
                    base_pb2.HeaderValueOption(
                        header=base_pb2.HeaderValue(
                            key="authorization", value=f"Bearer {token.token}"
                        ),
                        append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
                    )
                ],
                headers_to_remove=[_KEY_HEADER],
            ),
        )


def _api_key(headers: Any) -> str:
    authorization: str = headers.get("authorization", "")
    if authorization.lower().startswith(_BEARER + KEY_PREFIX):
        return authorization[len(_BEARER) :]
    return headers.get(_KEY_HEADER, "")


def _denied(code: int, status: Any, message: str) -> external_auth_pb2.CheckResponse:
    return external_auth_pb2.CheckResponse(
        status=Status(code=code, message=message),
        denied_response=external_auth_pb2.DeniedHttpResponse(
            status=http_status_pb2.HttpStatus(code=status), body=message
        ),
    )
