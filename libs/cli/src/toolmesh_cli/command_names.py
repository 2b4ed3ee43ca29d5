"""What is typed for each method: a noun, then what is done to it.

A proto service that lists what it is named after has a group of its own, named by the plural of
the last word: `UserService.ListUsers` is `users list`, `ApiKeyService.RevokeApiKey` is `keys
revoke`. All others are in the group of their deployable: `AuditService.VerifyAudit` is `audit
verify`. What the group says already is left out of the command, and a list of something else is
called by that something: `AuditService.ListAuditAnchors` is `audit anchors`.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from toolmesh_cli.arguments import kebab
from toolmesh_contracts.contract import Method

_LIST: Final = "list"

Groups = Mapping[str, Mapping[str, Method]]


def command_groups(methods: Iterable[Method], *, taken: Iterable[str] = ()) -> Groups:
    """The methods that take one request, by group and by command, both sorted by name.

    Args:
        taken: commands that stand outside of groups; a method of such a name has no other one.
    """
    services: dict[str, list[Method]] = {}
    for method in methods:
        services.setdefault(proto_service(method), []).append(method)
    nouns = {name: _Nouns(members) for name, members in services.items()}
    own = [noun.own_group for noun in nouns.values()]
    groups: dict[str, dict[str, Method]] = {}
    for name, members in services.items():
        noun = nouns[name]
        shared = own.count(noun.own_group) > 1 or noun.own_group in taken
        group = noun.long_group if shared and noun.own_group else noun.own_group
        commands = groups.setdefault(group or members[0].service, {})
        for method in members:
            if not method.client_streaming and kebab(method.name) not in taken:
                _add(commands, method, noun)
    return {name: dict(sorted(groups[name].items())) for name in sorted(groups) if groups[name]}


def proto_service(method: Method) -> str:
    """The full name of the proto service that a method belongs to."""
    return method.path.strip("/").partition("/")[0]


class _Nouns:
    """What the methods of one proto service are about, in kebab case.

    Attributes:
        own_group: the group that the service has to itself; empty: it has none.
        long_group: the same with all words of the noun.
    """

    def __init__(self, methods: Iterable[Method]) -> None:
        members = list(methods)
        stem = proto_service(members[0]).rpartition(".")[2].removesuffix("Service")
        self.noun = kebab(stem)
        self._deployable = members[0].service
        listed = next((m.name for m in members if m.name.startswith("List")), "")
        self.listed = kebab(listed).removeprefix("list-")
        owns = bool(self.listed) and self.listed in _plurals(self.noun)
        self.long_group = self.listed if owns else ""
        self.own_group = self.long_group.rpartition("-")[2]

    def command(self, name: str) -> str:
        """What is typed for a method of that name."""
        verb, _, rest = kebab(name).partition("-")
        stated = self.noun if self.own_group else self._deployable
        if not rest or rest in (stated, self.listed) or self.listed in _plurals(rest):
            return verb
        rest = rest.removeprefix(f"{stated}-")
        return rest if verb == _LIST else f"{verb}-{rest}"


def _add(commands: dict[str, Method], method: Method, noun: _Nouns) -> None:
    # The first one has the short name; a second one is told apart by its whole name.
    for name in (
        noun.command(method.name),
        kebab(method.name),
        f"{noun.noun}-{kebab(method.name)}",
    ):
        if name not in commands:
            commands[name] = method
            return


def _plurals(noun: str) -> tuple[str, ...]:
    if noun.endswith("y"):
        return (f"{noun}s", f"{noun[:-1]}ies")
    return (f"{noun}s", f"{noun}es")
