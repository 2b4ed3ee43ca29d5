"""Tokens by which one acts for another: token exchange with an actor (RFC 8693)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from toolmesh_identity.access_tokens import AccessToken, TokenMint
from toolmesh_identity.errors import (
    DelegationTooDeep,
    ScopeTooWide,
    SubjectTokenInvalid,
    WorkspaceTooWide,
)
from toolmesh_serving.access_token import AccessTokenVerifier
from toolmesh_serving.caller import Caller
from toolmesh_serving.errors import FieldViolation, TokenInvalid
from toolmesh_serving.redis_store import Store, note, reaching_store

LONGEST_SECONDS: Final = 600
_MAX_ACTORS: Final = 3
# Of the actor's own token: what the new one hangs on besides.
_ACTOR_CLAIMS: Final = ("sub", "sid", "uid", "rev")


@dataclass(frozen=True, slots=True)
class Wanted:
    """How far an actor wants to act. Empty: as far as the subject token goes; 0: the longest."""

    scopes: Sequence[str] = ()
    workspaces: Sequence[str] = ()
    lifetime_seconds: int = 0


class Delegation:
    """Makes tokens that say who acts for whom, never wider or longer than the subject's own."""

    def __init__(self, store: Store, verifier: AccessTokenVerifier, mint: TokenMint) -> None:
        self._store = store
        self._verifier = verifier
        self._mint = mint

    async def delegate(
        self, subject_token: str, wanted: Wanted, *, actor: Caller
    ) -> tuple[AccessToken, Sequence[str]]:
        """A token for `actor` to act by, and the workspaces that it is good for, empty: all.

        It is left to the audit log who was let act for whom.

        Raises:
            SubjectTokenInvalid, DelegationTooDeep: the subject token is not good for that.
            ScopeTooWide, WorkspaceTooWide: it holds less than is wanted.
            Unavailable: Redis does not answer, or what was revoked is not known.
        """
        subject = await self._subject(subject_token)
        claims = subject.claims
        actors = [actor.subject, *actors_of(claims)]
        if len(actors) > _MAX_ACTORS:
            raise DelegationTooDeep(f"{_MAX_ACTORS} act one for the other already; use fewer")
        scopes = _cut_scopes(wanted.scopes, subject.scopes)
        workspaces = _cut_workspaces(wanted.workspaces, claims.get("workspaces"))
        act = {name: actor.claims[name] for name in _ACTOR_CLAIMS if name in actor.claims}
        if "act" in claims:
            act["act"] = claims["act"]
        changes: dict[str, Any] = {"scope": " ".join(scopes), "act": act}
        if workspaces:
            changes["workspaces"] = workspaces
        token = self._mint.narrow(
            claims, changes=changes, lifetime_seconds=wanted.lifetime_seconds or LONGEST_SECONDS
        )
        told = {"actors": actors, "scopes": scopes, "workspaces": workspaces}
        async with self._store.pipeline(transaction=True) as pipe:
            note(pipe, "identity.token.delegate", subject.subject, after=told)
            with reaching_store():
                await pipe.execute()
        return token, workspaces

    async def _subject(self, token: str) -> Caller:
        try:
            return await self._verifier.verify(token)
        except TokenInvalid:
            raise SubjectTokenInvalid(
                "the subject token is expired, revoked or none of this mesh; ask the user for "
                "a new one",
                field_violations=[FieldViolation("subject_token", "is not good")],
            ) from None


def actors_of(claims: Mapping[str, Any]) -> Sequence[str]:
    """Who acts for a token's subject: the one who does now, then who had it act, and so on."""
    actors: list[str] = []
    while "act" in claims:
        claims = claims["act"]
        actors.append(claims["sub"])
    return actors


def _cut_scopes(wanted: Sequence[str], held: frozenset[str]) -> Sequence[str]:
    for index, scope in enumerate(wanted):
        if scope not in held:
            raise ScopeTooWide(
                f"the subject token does not hold the scope {scope!r}",
                field_violations=[FieldViolation(f"scopes[{index}]", "the subject lacks it")],
            )
    return sorted(set(wanted) or held)


def _cut_workspaces(wanted: Sequence[str], held: Sequence[str] | None) -> Sequence[str]:
    for index, workspace in enumerate(wanted):
        if held is not None and workspace not in held:
            raise WorkspaceTooWide(
                f"the subject token is not good for the workspace {workspace!r}",
                field_violations=[FieldViolation(f"workspaces[{index}]", "is not the subject's")],
            )
    return sorted(set(wanted) or held or ())
