"""The RPCs about tokens: protos to domain and back."""

from typing import Any

import orjson
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.duration_pb2 import Duration

from toolmesh.identity.v1 import (
    revocation_pb2,
    revocation_service_pb2,
    revocation_service_pb2_grpc,
    token_service_pb2,
    token_service_pb2_grpc,
)
from toolmesh_identity.callers import undelegated_caller
from toolmesh_identity.delegation import Delegation, Wanted, actors_of
from toolmesh_identity.exchange import KeyExchange
from toolmesh_identity.revocation_log import KEEP_SECONDS, RevocationLog
from toolmesh_identity.signing_keys import SigningKeys
from toolmesh_identity.timestamps import timestamp
from toolmesh_serving.caller import current_caller


class TokenServicer(token_service_pb2_grpc.TokenServiceServicer):
    """Serves `TokenService`."""

    def __init__(self, exchange: KeyExchange, delegation: Delegation, keys: SigningKeys) -> None:
        self._exchange = exchange
        self._delegation = delegation
        self._keys = keys

    async def ExchangeToken(
        self, request: token_service_pb2.ExchangeTokenRequest, context: Any
    ) -> token_service_pb2.ExchangeTokenResponse:
        """See the proto."""
        token = await self._exchange.exchange(request.api_key, request.scopes)
        return token_service_pb2.ExchangeTokenResponse(
            access_token=token.token,
            token_type="Bearer",  # noqa: S106 - a scheme's name
            expires_in=Duration(seconds=token.lifetime_seconds),
            scopes=token.scopes,
        )

    async def DelegateToken(
        self, request: token_service_pb2.DelegateTokenRequest, context: Any
    ) -> token_service_pb2.DelegateTokenResponse:
        """See the proto."""
        wanted = Wanted(
            scopes=tuple(request.scopes),
            workspaces=tuple(request.workspaces),
            lifetime_seconds=request.lifetime_seconds,
        )
        token, workspaces = await self._delegation.delegate(
            request.subject_token, wanted, actor=undelegated_caller()
        )
        return token_service_pb2.DelegateTokenResponse(
            access_token=token.token,
            token_type="Bearer",  # noqa: S106 - a scheme's name
            expires_in=Duration(seconds=token.lifetime_seconds),
            scopes=token.scopes,
            workspaces=workspaces,
        )

    async def GetJwks(
        self, request: token_service_pb2.GetJwksRequest, context: Any
    ) -> token_service_pb2.GetJwksResponse:
        """See the proto."""
        document = orjson.dumps(self._keys.key_set())
        return token_service_pb2.GetJwksResponse(
            jwks=HttpBody(content_type="application/json", data=document)
        )

    async def RotateSigningKey(
        self, request: token_service_pb2.RotateSigningKeyRequest, context: Any
    ) -> token_service_pb2.RotateSigningKeyResponse:
        """See the proto."""
        undelegated_caller()
        kid, sign = await self._keys.rotate()
        return token_service_pb2.RotateSigningKeyResponse(key_id=kid, sign_time=timestamp(sign))

    async def WhoAmI(
        self, request: token_service_pb2.WhoAmIRequest, context: Any
    ) -> token_service_pb2.WhoAmIResponse:
        """See the proto."""
        caller = current_caller()
        return token_service_pb2.WhoAmIResponse(
            subject=caller.subject,
            roles=caller.roles,
            scopes=sorted(caller.scopes),
            expire_time=timestamp(caller.expires_at),
            actors=actors_of(caller.claims),
            workspaces=caller.claims.get("workspaces", ()),
        )


class RevocationServicer(revocation_service_pb2_grpc.RevocationServiceServicer):
    """Serves `RevocationService`."""

    def __init__(self, log: RevocationLog) -> None:
        self._log = log

    async def PollRevocations(
        self, request: revocation_service_pb2.PollRevocationsRequest, context: Any
    ) -> revocation_service_pb2.PollRevocationsResponse:
        """See the proto."""
        found = await self._log.poll(request.after_sequence, wait_seconds=request.wait_seconds)
        return revocation_service_pb2.PollRevocationsResponse(
            revocations=[
                revocation_pb2.Revocation(mark=mark, sequence=sequence) for mark, sequence in found
            ],
            last_sequence=found[-1][1] if found else request.after_sequence,
            keep=Duration(seconds=KEEP_SECONDS),
        )
