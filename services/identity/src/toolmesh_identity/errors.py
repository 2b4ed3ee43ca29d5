"""What the identity service refuses, and why."""

from toolmesh_serving.errors import Code, ToolmeshError


class ApiKeyInvalid(ToolmeshError):
    """The API key is unknown, revoked, expired or malformed; which of these is not told."""

    code = Code.UNAUTHENTICATED
    reason = "API_KEY_INVALID"


class ScopeTooWide(ToolmeshError):
    """More scopes were asked for than the key holds."""

    code = Code.PERMISSION_DENIED
    reason = "SCOPE_TOO_WIDE"


class ScopeNotInRoles(ToolmeshError):
    """A new key was to have scopes that its roles do not give."""

    code = Code.INVALID_ARGUMENT
    reason = "SCOPE_TOO_WIDE"


class RoleUnknown(ToolmeshError):
    """No role of that name."""

    code = Code.INVALID_ARGUMENT
    reason = "ROLE_UNKNOWN"


class ApiKeyUnknown(ToolmeshError):
    """No API key of that id."""

    code = Code.NOT_FOUND
    reason = "API_KEY_UNKNOWN"


class TimeInvalid(ToolmeshError):
    """A time lies where it cannot."""

    code = Code.INVALID_ARGUMENT
    reason = "TIME_INVALID"


class UserUnknown(ToolmeshError):
    """No user of that id."""

    code = Code.NOT_FOUND
    reason = "USER_UNKNOWN"


class UserExists(ToolmeshError):
    """A user of that id is there already."""

    code = Code.ALREADY_EXISTS
    reason = "USER_EXISTS"


class UserIdUsed(ToolmeshError):
    """The id was a removed user's, whose workspaces and audit events still go by it."""

    code = Code.ALREADY_EXISTS
    reason = "USER_ID_USED"

    @classmethod
    def of(cls, user_id: str) -> "UserIdUsed":
        """The failure for an id."""
        return cls(
            f"{user_id} was the id of a user who was removed, and what stands under it must not "
            "become another's; choose another id",
            metadata={"id": user_id},
        )


class LastAdmin(ToolmeshError):
    """It would leave the mesh without an administrator."""

    code = Code.FAILED_PRECONDITION
    reason = "LAST_ADMIN"


class GrantTooWide(ToolmeshError):
    """The caller cannot give what it does not hold itself."""

    code = Code.PERMISSION_DENIED
    reason = "GRANT_TOO_WIDE"


class SignInFailed(ToolmeshError):
    """User and password do not belong together; whether there is such a user is not told."""

    code = Code.UNAUTHENTICATED
    reason = "SIGN_IN_FAILED"


class TooManyAttempts(ToolmeshError):
    """Too many attempts to sign in."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "TOO_MANY_ATTEMPTS"


class RefreshTokenInvalid(ToolmeshError):
    """The refresh token is unknown, used up or of a session that has ended; which is not told."""

    code = Code.UNAUTHENTICATED
    reason = "REFRESH_TOKEN_INVALID"


class SessionUnknown(ToolmeshError):
    """No session of that id, or none that the caller may see."""

    code = Code.NOT_FOUND
    reason = "SESSION_UNKNOWN"


class RoleNotFound(ToolmeshError):
    """No role of that name to be changed."""

    code = Code.NOT_FOUND
    reason = "ROLE_UNKNOWN"


class RoleExists(ToolmeshError):
    """A role of that name is there already."""

    code = Code.ALREADY_EXISTS
    reason = "ROLE_EXISTS"


class RoleBuiltIn(ToolmeshError):
    """A built-in role cannot be changed."""

    code = Code.FAILED_PRECONDITION
    reason = "ROLE_BUILT_IN"


class ScopeUnknown(ToolmeshError):
    """No method of the mesh asks for that scope."""

    code = Code.INVALID_ARGUMENT
    reason = "SCOPE_UNKNOWN"


class TooMany(ToolmeshError):
    """There are as many as there may be."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "TOO_MANY"


class NotOwner(ToolmeshError):
    """The caller may see and change only what is its own."""

    code = Code.PERMISSION_DENIED
    reason = "NOT_OWNER"


class DelegatedToken(ToolmeshError):
    """A token that was delegated cannot do this."""

    code = Code.PERMISSION_DENIED
    reason = "DELEGATED_TOKEN"


class SubjectTokenInvalid(ToolmeshError):
    """The token to act by cannot be trusted; which of its parts is bad is not told."""

    code = Code.INVALID_ARGUMENT  # the caller's own token is good
    reason = "SUBJECT_TOKEN_INVALID"


class WorkspaceTooWide(ToolmeshError):
    """A workspace was asked for that the subject token is not good for."""

    code = Code.PERMISSION_DENIED
    reason = "WORKSPACE_TOO_WIDE"


class DelegationTooDeep(ToolmeshError):
    """The subject token was delegated on as often as it can be."""

    code = Code.FAILED_PRECONDITION
    reason = "DELEGATION_TOO_DEEP"


class IdTokenInvalid(ToolmeshError):
    """An issuer's ID token cannot be trusted; which of its parts is bad is not told."""

    code = Code.UNAUTHENTICATED
    reason = "ID_TOKEN_INVALID"


class ExternalAccountRefused(ToolmeshError):
    """The issuer knows who it is, but such an account may not sign in here."""

    code = Code.PERMISSION_DENIED
    reason = "EXTERNAL_ACCOUNT_REFUSED"


class ExternalIdentityTaken(ToolmeshError):
    """The external identity belongs to another user."""

    code = Code.ALREADY_EXISTS
    reason = "EXTERNAL_IDENTITY_TAKEN"


class ApiKeyEnded(ToolmeshError):
    """The key was revoked or has expired, so it cannot be changed."""

    code = Code.FAILED_PRECONDITION
    reason = "API_KEY_INVALID"
