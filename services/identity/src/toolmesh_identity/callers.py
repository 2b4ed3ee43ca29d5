"""What the caller of an RPC may do to what belongs to others."""

from typing import Final

from toolmesh_identity.errors import DelegatedToken, NotOwner
from toolmesh_serving.caller import Caller, current_caller

_ADMIN: Final = "identity:admin"


def only_whose(wanted: str, *, empty_is_own: bool = False) -> str:
    """Whose things the caller may touch when it asks for those of `wanted`; empty: anyone's.

    Raises:
        NotOwner: it asks for those of another and is no administrator.
    """
    caller = current_caller()
    if _ADMIN in caller.scopes:
        return wanted or (caller.subject if empty_is_own else "")
    if wanted not in ("", caller.subject):
        raise NotOwner(f"only administrators may do this for {wanted}")
    return caller.subject


def undelegated_caller() -> Caller:
    """The caller, who acts for itself.

    Raises:
        DelegatedToken: its token was delegated; what it made or ended would outlive the delegation.
    """
    caller = current_caller()
    if caller.actor:
        raise DelegatedToken("a delegated token cannot make or change credentials and users")
    return caller


def granting_scopes() -> frozenset[str]:
    """The scopes that the caller may hand on: those that it holds itself.

    Raises:
        DelegatedToken: see `undelegated_caller`.
    """
    return undelegated_caller().scopes


def callers_address(peer: str, seen_by_gateway: str) -> str:
    """Where a call comes from: as the gateway saw it, else the connection's other end.

    Args:
        peer: of the connection, in gRPC's form, `ipv4:127.0.0.1:5000`.
        seen_by_gateway: the address in the header that the gateway writes; empty: none.
    """
    return seen_by_gateway or peer.rpartition(":")[0]
