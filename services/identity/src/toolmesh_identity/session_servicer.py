"""The RPCs about sessions: protos to domain and back."""

from typing import Any

from google.protobuf.duration_pb2 import Duration

from toolmesh.identity.v1 import session_pb2, session_service_pb2, session_service_pb2_grpc
from toolmesh_identity.callers import only_whose, undelegated_caller
from toolmesh_identity.external_sign_in import ExternalSignIn
from toolmesh_identity.sessions import Session, Sessions
from toolmesh_identity.timestamps import timestamp
from toolmesh_identity.user_servicer import address_of


class SessionServicer(session_service_pb2_grpc.SessionServiceServicer):
    """Serves `SessionService`."""

    def __init__(self, sessions: Sessions, external: ExternalSignIn) -> None:
        self._sessions = sessions
        self._external = external

    async def SignIn(
        self, request: session_service_pb2.SignInRequest, context: Any
    ) -> session_service_pb2.SignInResponse:
        """See the proto."""
        signed_in = await self._sessions.sign_in(
            request.user, request.password, address=address_of(context)
        )
        return session_service_pb2.SignInResponse(
            access_token=signed_in.access.token,
            expires_in=Duration(seconds=signed_in.access.lifetime_seconds),
            refresh_token=signed_in.refresh_token,
            session=_session(signed_in.session),
        )

    async def SignInWithIdToken(
        self, request: session_service_pb2.SignInWithIdTokenRequest, context: Any
    ) -> session_service_pb2.SignInWithIdTokenResponse:
        """See the proto."""
        signed_in = await self._external.sign_in(request.id_token, nonce=request.nonce)
        return session_service_pb2.SignInWithIdTokenResponse(
            access_token=signed_in.access.token,
            expires_in=Duration(seconds=signed_in.access.lifetime_seconds),
            refresh_token=signed_in.refresh_token,
            session=_session(signed_in.session),
        )

    async def RefreshSession(
        self, request: session_service_pb2.RefreshSessionRequest, context: Any
    ) -> session_service_pb2.RefreshSessionResponse:
        """See the proto."""
        signed_in = await self._sessions.refresh(request.refresh_token)
        return session_service_pb2.RefreshSessionResponse(
            access_token=signed_in.access.token,
            expires_in=Duration(seconds=signed_in.access.lifetime_seconds),
            refresh_token=signed_in.refresh_token,
        )

    async def SignOut(
        self, request: session_service_pb2.SignOutRequest, context: Any
    ) -> session_service_pb2.SignOutResponse:
        """See the proto."""
        await self._sessions.end_of_token(undelegated_caller().session)
        return session_service_pb2.SignOutResponse()

    async def ListSessions(
        self, request: session_service_pb2.ListSessionsRequest, context: Any
    ) -> session_service_pb2.ListSessionsResponse:
        """See the proto."""
        sessions = await self._sessions.list(only_whose(request.user, empty_is_own=True))
        return session_service_pb2.ListSessionsResponse(
            sessions=[_session(session) for session in sessions]
        )

    async def EndSession(
        self, request: session_service_pb2.EndSessionRequest, context: Any
    ) -> session_service_pb2.EndSessionResponse:
        """See the proto."""
        undelegated_caller()
        await self._sessions.end(request.id, subject=only_whose(""))
        return session_service_pb2.EndSessionResponse()


def _session(session: Session) -> session_pb2.Session:
    return session_pb2.Session(
        id=session.id,
        user=session.subject,
        create_time=timestamp(session.create_time),
        refresh_time=timestamp(session.refresh_time),
        expire_time=timestamp(session.expire_time),
    )
