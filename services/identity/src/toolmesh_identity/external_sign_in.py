"""Signs users in with ID tokens of external issuers, and makes those who are new."""

import re
from collections.abc import Sequence
from typing import Final

import structlog

from toolmesh_identity.errors import (
    ExternalAccountRefused,
    ExternalIdentityTaken,
    UserExists,
    UserIdUsed,
)
from toolmesh_identity.id_tokens import Account, IdTokens
from toolmesh_identity.sessions import Sessions, SignedIn
from toolmesh_identity.user_records import User
from toolmesh_identity.users import NewUser, Users

_log = structlog.get_logger()

_NO_ROLE: Final = "the account has no role in this mesh; ask an administrator"
_USER_FORM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,119}")


class ExternalSignIn:
    """Sign-in by ID token. A user is known by issuer and subject, never by a name or an address."""

    def __init__(self, tokens: IdTokens, users: Users, sessions: Sessions) -> None:
        self._tokens = tokens
        self._users = users
        self._sessions = sessions

    async def sign_in(self, id_token: str, *, nonce: str) -> SignedIn:
        """Begins a session of the user that an ID token was made for.

        Raises:
            IdTokenInvalid: the token cannot be trusted.
            ExternalAccountRefused: such an account may not sign in.
            LastAdmin: its roles there would leave the mesh without an administrator.
            Unavailable: Redis does not answer, or the issuer's keys cannot be had.
        """
        account = await self._tokens.verify(id_token, nonce=nonce)
        roles = await self._known(account.roles)
        user = await self._users.find(account.external)
        if user is None:
            user = await self._make(account, roles)
        elif roles is not None and tuple(roles) != user.roles:
            user = await self._users.update(user.id, granter=None, roles=roles)
        if roles is not None and not roles:
            raise ExternalAccountRefused(_NO_ROLE)
        return await self._sessions.begin(
            user.id,
            refused=ExternalAccountRefused("the user is suspended; ask an administrator"),
            longest_seconds=account.issuer.session_seconds,
        )

    async def _make(self, account: Account, roles: Sequence[str] | None) -> User:
        if not account.issuer.provision:
            raise ExternalAccountRefused(
                "no user has this external identity; ask an administrator to give it to yours"
            )
        if roles is None:
            roles = await self._known(account.issuer.default_roles) or ()
        if not roles:
            raise ExternalAccountRefused(_NO_ROLE)
        if not _USER_FORM.fullmatch(account.user):
            claim = account.issuer.user_claim
            raise ExternalAccountRefused(
                f"the token's claim {claim} cannot be a user's id; ask an administrator for a user"
            )
        new = NewUser(account.user, account.display_name, roles, external=account.external)
        try:
            return await self._users.create(new, granter=None)
        except (UserExists, UserIdUsed, ExternalIdentityTaken):
            # Perhaps by the same account, which signed in twice at once. Else it is another's name.
            user = await self._users.find(account.external)
            if user is None:
                raise ExternalAccountRefused(
                    f"the name {account.user} is another's here, or was a removed user's; "
                    "ask an administrator to give your user this external identity"
                ) from None
            return user

    async def _known(self, names: Sequence[str] | None) -> Sequence[str] | None:
        if names is None:
            return None
        known = await self._users.roles_by_name()
        unknown = sorted(set(names) - set(known))
        if unknown:
            _log.warning("issuer's roles are not defined", roles=unknown)
        return sorted(set(names) & set(known))
