"""The RPCs about users: protos to domain and back."""

from dataclasses import asdict
from typing import Any

from toolmesh.identity.v1 import user_pb2, user_service_pb2, user_service_pb2_grpc
from toolmesh_identity.callers import callers_address, granting_scopes, undelegated_caller
from toolmesh_identity.passwords import Passwords
from toolmesh_identity.timestamps import timestamp
from toolmesh_identity.user_records import NO_IDENTITY, ExternalIdentity, User
from toolmesh_identity.users import NewUser, Users
from toolmesh_serving.call import current_call
from toolmesh_serving.errors import FieldInvalid, FieldViolation

_DEFAULT_PAGE_SIZE = 50


def address_of(context: Any) -> str:
    """Where the current call comes from."""
    return callers_address(context.peer(), current_call().metadata.get("x-toolmesh-client", ""))


class UserServicer(user_service_pb2_grpc.UserServiceServicer):
    """Serves `UserService`."""

    def __init__(self, users: Users, passwords: Passwords) -> None:
        self._users = users
        self._passwords = passwords

    async def CreateUser(
        self, request: user_service_pb2.CreateUserRequest, context: Any
    ) -> user_service_pb2.CreateUserResponse:
        """See the proto."""
        granter = granting_scopes()
        new = _new_user(request)
        hashed = await self._passwords.hash(request.password)
        user = await self._users.create(new, granter=granter, password_hash=hashed)
        return user_service_pb2.CreateUserResponse(user=await self._user(user))

    async def ProvisionUsers(
        self, request: user_service_pb2.ProvisionUsersRequest, context: Any
    ) -> user_service_pb2.ProvisionUsersResponse:
        """See the proto."""
        granter = granting_scopes()
        outcomes: list[user_service_pb2.ProvisionOutcome] = []
        for index, each in enumerate(request.users):
            new = _new_user(each, field=f"users[{index}].")
            result, error = await self._users.provision(new, granter=granter)
            outcome = user_service_pb2.ProvisionOutcome(
                id=each.id,
                result=user_service_pb2.ProvisionResult.ValueType(result.value),
                message=error.message if error else "",
            )
            outcomes.append(outcome)
        return user_service_pb2.ProvisionUsersResponse(outcomes=outcomes)

    async def GetUser(
        self, request: user_service_pb2.GetUserRequest, context: Any
    ) -> user_service_pb2.GetUserResponse:
        """See the proto."""
        user = await self._users.get(request.id)
        return user_service_pb2.GetUserResponse(user=await self._user(user))

    async def ListUsers(
        self, request: user_service_pb2.ListUsersRequest, context: Any
    ) -> user_service_pb2.ListUsersResponse:
        """See the proto."""
        users, next_page_token = await self._users.list(
            page_size=request.page_size or _DEFAULT_PAGE_SIZE, page_token=request.page_token
        )
        roles = await self._users.roles_by_name()
        return user_service_pb2.ListUsersResponse(
            users=[_user(user, roles) for user in users], next_page_token=next_page_token
        )

    async def UpdateUser(
        self, request: user_service_pb2.UpdateUserRequest, context: Any
    ) -> user_service_pb2.UpdateUserResponse:
        """See the proto."""
        user = await self._users.update(
            request.id,
            granter=granting_scopes(),
            display_name=request.display_name if request.HasField("display_name") else None,
            roles=tuple(request.roles.names) if request.HasField("roles") else None,
            external=_external(request),
        )
        return user_service_pb2.UpdateUserResponse(user=await self._user(user))

    async def SuspendUser(
        self, request: user_service_pb2.SuspendUserRequest, context: Any
    ) -> user_service_pb2.SuspendUserResponse:
        """See the proto."""
        user = await self._users.suspend(request.id, granter=granting_scopes())
        return user_service_pb2.SuspendUserResponse(user=await self._user(user))

    async def ReinstateUser(
        self, request: user_service_pb2.ReinstateUserRequest, context: Any
    ) -> user_service_pb2.ReinstateUserResponse:
        """See the proto."""
        user = await self._users.reinstate(request.id, granter=granting_scopes())
        return user_service_pb2.ReinstateUserResponse(user=await self._user(user))

    async def DeleteUser(
        self, request: user_service_pb2.DeleteUserRequest, context: Any
    ) -> user_service_pb2.DeleteUserResponse:
        """See the proto."""
        await self._users.delete(request.id, granter=granting_scopes())
        return user_service_pb2.DeleteUserResponse()

    async def SetPassword(
        self, request: user_service_pb2.SetPasswordRequest, context: Any
    ) -> user_service_pb2.SetPasswordResponse:
        """See the proto."""
        granter = granting_scopes()
        hashed = await self._passwords.hash(request.password)
        user = await self._users.set_password(request.id, hashed, granter=granter)
        return user_service_pb2.SetPasswordResponse(user=await self._user(user))

    async def ChangePassword(
        self, request: user_service_pb2.ChangePasswordRequest, context: Any
    ) -> user_service_pb2.ChangePasswordResponse:
        """See the proto."""
        subject, address = undelegated_caller().subject, address_of(context)
        await self._passwords.check(subject, request.current_password, address=address)
        hashed = await self._passwords.hash(request.new_password)
        await self._users.set_password(subject, hashed, granter=None)
        return user_service_pb2.ChangePasswordResponse()

    async def _user(self, user: User) -> user_pb2.User:
        return _user(user, await self._users.roles_by_name())


def _new_user(given: Any, *, field: str = "") -> NewUser:
    return NewUser(
        given.id, given.display_name, tuple(given.roles), external=_external(given, field=field)
    )


def _external(given: Any, *, field: str = "") -> ExternalIdentity | None:
    if not given.HasField("external_identity"):
        return None
    external = ExternalIdentity(given.external_identity.issuer, given.external_identity.subject)
    for name, part in (("issuer", external.issuer), ("subject", external.subject)):
        if not part and external != NO_IDENTITY:
            violation = FieldViolation(f"{field}external_identity.{name}", "is required")
            raise FieldInvalid(
                "an external identity has an issuer and a subject", field_violations=[violation]
            )
    return external


def _user(user: User, roles: Any) -> user_pb2.User:
    return user_pb2.User(
        id=user.id,
        display_name=user.display_name,
        roles=user.roles,
        scopes=sorted(user.scopes(roles)),
        create_time=timestamp(user.create_time),
        update_time=timestamp(user.update_time),
        suspend_time=timestamp(user.suspend_time),
        has_password=user.has_password,
        external_identity=None
        if user.external == NO_IDENTITY
        else user_pb2.ExternalIdentity(**asdict(user.external)),
    )
