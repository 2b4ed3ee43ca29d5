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


class PageTokenInvalid(ToolmeshError):
    """The page token is not one that the list gave."""

    code = Code.INVALID_ARGUMENT
    reason = "PAGE_TOKEN_INVALID"
