"""The OpenID Connect issuers that a mesh trusts: a TOML file with a table for each.

[[issuers]]
issuer = "https://login.example.com"
audiences = ["toolmesh"]
provision = true
role_claim = "groups"
roles = { "mesh-admins" = ["admin"], "engineers" = ["developer"] }
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    ValidationError,
    field_validator,
    model_validator,
)

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
# Asymmetric ones alone: with any other, who can check a token can make one.
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]


class IssuersFileError(Exception):
    """The file of issuers cannot be used; the text says what is wrong where."""


def _as_path(given: object) -> object:
    return (given,) if isinstance(given, str) else given


class ExternalIssuer(BaseModel):
    """An issuer, and who its accounts become here.

    Attributes:
        issuer: its URL, exactly as in the claim `iss` of its tokens.
        audiences: the client ids of this mesh at the issuer: a token must be meant for one of them.
        user_claim: names a user who is made. The user is known by `sub` from then on.
        user_prefix: stands before that name, to keep the users of two issuers apart.
        provision: whether who signs in for the first time becomes a user. If not, only users that
            an administrator gave an external identity can sign in.
        role_claim: a text or a list of texts, by which `roles` gives roles at each sign-in; a list
            of names leads into a claim. Empty: roles are what they are here.
        default_roles: those of every user, or without `role_claim` of one who is made.
        max_age_seconds: how old a token may be.
        session_seconds: when a session ends at the latest, so that the issuer is asked again.
        ca_file: the certificates that the issuer's is checked against; none: those of the web.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str
    audiences: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)
    algorithms: tuple[Algorithm, ...] = Field(("RS256", "PS256", "ES256", "EdDSA"), min_length=1)
    user_claim: str = "preferred_username"
    user_prefix: str = Field("", pattern=r"^[A-Za-z0-9._@-]*$")
    provision: bool = False
    role_claim: Annotated[tuple[str, ...], BeforeValidator(_as_path)] = ()
    roles: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    default_roles: tuple[str, ...] = ()
    max_age_seconds: int = Field(600, ge=30, le=86400)
    session_seconds: int = Field(12 * 3600, ge=300, le=90 * 86400)
    ca_file: FilePath | None = None

    @field_validator("issuer")
    @classmethod
    def _fetchable(cls, issuer: str) -> str:
        if not is_safe_url(issuer):
            raise ValueError("must be an https:// URL (http:// for this machine alone)")
        return issuer

    @model_validator(mode="after")
    def _whole_mapping(self) -> Self:
        if bool(self.role_claim) != bool(self.roles):
            raise ValueError("role_claim and roles go together")
        return self

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine."""
        return urlsplit(self.issuer).hostname in _LOOPBACK


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    issuers: tuple[ExternalIssuer, ...]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        names = [each.issuer for each in self.issuers]
        if len(set(names)) != len(names):
            raise ValueError("an issuer stands there twice")
        return self


def is_safe_url(url: str) -> bool:
    """Whether what is fetched from there can be trusted: by TLS, or from this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (
        parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    )


def read_issuers(path: Path | None) -> Sequence[ExternalIssuer]:
    """The issuers of a file; without one, none.

    Raises:
        IssuersFileError: it cannot be read, or something in it cannot be.
    """
    if path is None:
        return ()
    try:
        given: dict[str, Any] = tomllib.loads(path.read_text())
        return _Document.model_validate(given).issuers
    except (OSError, ValueError) as error:
        problem = _problems(error) if isinstance(error, ValidationError) else str(error)
        raise IssuersFileError(f"TOOLMESH_ISSUERS_FILE {path}: {problem}") from error


def _problems(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()
    )
