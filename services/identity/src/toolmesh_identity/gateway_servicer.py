"""Answers Envoy's question at calls that bring an API key: who is this?

Envoy's `ext_authz` filter asks it only for API keys; a call with an access token never pays for it.
"""

from http import HTTPStatus
from typing import Any

import grpc
from google.rpc.code_pb2 import OK, UNAUTHENTICATED, UNAVAILABLE
from google.rpc.status_pb2 import Status

from toolmesh.identity.v1 import gateway_check_pb2
from toolmesh_identity.api_keys import KEY_PREFIX
from toolmesh_identity.errors import ApiKeyInvalid
from toolmesh_identity.exchange import KeyExchange
from toolmesh_serving.errors import Unavailable

# The service that Envoy calls. Its messages are stated anew in our proto, with the same numbers:
# the wheel that has Envoy's own overwrites OpenTelemetry's and Google's stubs with older ones.
_SERVICE = "envoy.service.auth.v3.Authorization"
CHECK_PATH = f"/{_SERVICE}/Check"

_BEARER = "bearer "
_KEY_HEADER = "x-api-key"


class GatewayCheckServicer:
    """Serves Envoy's `Authorization` service.

    It is not behind the mesh's own token check: to get a token from it one needs a valid API key,
    for which `ExchangeToken` gives the same to anyone.
    """

    def __init__(self, exchange: KeyExchange) -> None:
        self._exchange = exchange

    async def Check(
        self, request: gateway_check_pb2.GatewayCheckRequest, context: Any
    ) -> gateway_check_pb2.GatewayCheckResponse:
        """Replaces a valid API key by an access token; refuses any other."""
        headers = request.attributes.request.http.headers
        try:
            token = await self._exchange.exchange_for_gateway(_api_key(headers))
        except ApiKeyInvalid as error:
            return _denied(UNAUTHENTICATED, HTTPStatus.UNAUTHORIZED, error.message)
        except Unavailable as error:
            return _denied(UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE, error.message)
        authorization = gateway_check_pb2.GatewayHeaderChange(
            header=gateway_check_pb2.GatewayHeader(
                key="authorization", value=f"Bearer {token.token}"
            ),
            append_action=gateway_check_pb2.GATEWAY_HEADER_ACTION_OVERWRITE,
        )
        return gateway_check_pb2.GatewayCheckResponse(
            status=Status(code=OK),
            ok_response=gateway_check_pb2.GatewayPass(
                headers=[authorization], headers_to_remove=[_KEY_HEADER]
            ),
        )


def add_gateway_check_to_server(servicer: GatewayCheckServicer, server: Any) -> None:
    """Adds it under the name that Envoy calls, as generated code would."""
    handlers = {
        "Check": grpc.unary_unary_rpc_method_handler(
            servicer.Check,
            request_deserializer=gateway_check_pb2.GatewayCheckRequest.FromString,
            response_serializer=gateway_check_pb2.GatewayCheckResponse.SerializeToString,
        )
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
    server.add_registered_method_handlers(_SERVICE, handlers)


def _api_key(headers: Any) -> str:
    authorization: str = headers.get("authorization", "")
    if authorization.lower().startswith(_BEARER + KEY_PREFIX):
        return authorization[len(_BEARER) :]
    return headers.get(_KEY_HEADER, "")


def _denied(code: int, status: HTTPStatus, message: str) -> gateway_check_pb2.GatewayCheckResponse:
    return gateway_check_pb2.GatewayCheckResponse(
        status=Status(code=code, message=message),
        denied_response=gateway_check_pb2.GatewayDenial(
            status=gateway_check_pb2.GatewayHttpStatus(code=status), body=message
        ),
    )
