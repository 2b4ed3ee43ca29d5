"""The built-in roles: named sets of scopes that follow from the methods' own scopes."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of scopes."""

    name: str
    description: str
    scopes: tuple[str, ...]


# Which verbs of a scope (`<service>:<verb>`) a role has. A new tool's scope joins the roles by its
# verb, so nothing here changes when a service is added.
_VERBS = {
    "admin": ("Everything.", {"read", "write", "use", "audit", "admin"}),
    "auditor": ("Reads who did what; changes nothing.", {"audit"}),
    "developer": ("Uses every tool, reads and writes workspaces.", {"read", "write", "use"}),
    "viewer": ("Reads; changes and runs nothing.", {"read"}),
}


def builtin_roles(scopes: Iterable[str]) -> dict[str, Role]:
    """The built-in roles by name, for a mesh whose methods ask for `scopes`."""
    known = sorted(scopes)
    return {
        name: Role(
            name=name,
            description=description,
            scopes=tuple(scope for scope in known if scope.rpartition(":")[2] in verbs),
        )
        for name, (description, verbs) in _VERBS.items()
    }
