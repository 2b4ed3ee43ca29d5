"""Where symbolic links lead: every link must stay in the tree, through any chain of links."""

from collections.abc import Mapping
from dataclasses import dataclass

from toolmesh_workspaces.limits import Limits


class LinkFault(Exception):
    """A link leads out of the tree, in a circle, too far, or through too many links."""

    def __init__(self, path: str, description: str) -> None:
        super().__init__(description)
        self.path = path
        """The link that is at fault."""
        self.description = description


@dataclass(frozen=True, slots=True)
class _Place:
    """A place that no link leads away from, and how many links were followed to get there."""

    path: str
    """Empty for the root."""
    hops: int


class _Resolver:
    """Follows links as the kernel does (path_resolution(7)), in a tree that has only these links.

    Each link is resolved once and remembered, and no place is longer than a path may be, so the
    work is bounded by the length of all targets. A part that is no link counts as a folder even
    where there is none: the kernel would stop there, so that reading is only ever stricter than it.
    """

    def __init__(self, targets: Mapping[str, str], limits: Limits) -> None:
        self._targets = targets
        self._max_hops = limits.link_hops
        self._max_length = limits.path_bytes
        self._places: dict[str, _Place] = {}
        self._open: set[str] = set()

    def resolve(self, link: str) -> _Place:
        known = self._places.get(link)
        if known is not None:
            return known
        # A chain that is being followed and is met again is a circle; its depth is bounded by
        # max_hops, and so is the recursion.
        if link in self._open:
            raise LinkFault(link, "leads in a circle")
        if len(self._open) >= self._max_hops:
            raise LinkFault(link, f"leads through more than {self._max_hops} links")
        self._open.add(link)
        try:
            place = self._follow(link)
        finally:
            self._open.remove(link)
        if place.hops > self._max_hops:
            raise LinkFault(link, f"leads through more than {self._max_hops} links")
        self._places[link] = place
        return place

    def _follow(self, link: str) -> _Place:
        here = link.rpartition("/")[0]
        hops = 1
        for part in self._targets[link].split("/"):
            if part in {"", "."}:
                continue
            if part == "..":
                if not here:
                    raise LinkFault(link, "leads out of the tree")
                here = here.rpartition("/")[0]
                continue
            here = f"{here}/{part}" if here else part
            if len(here) > self._max_length:
                raise LinkFault(link, f"leads to a path longer than {self._max_length} bytes")
            if here in self._targets:
                place = self.resolve(here)
                here = place.path
                hops += place.hops
        return _Place(here, hops)


def check_links(targets: Mapping[str, str], limits: Limits) -> None:
    """Raise LinkFault for the first link that does not stay in the tree.

    `targets` maps each link's path to its target. A link to a path that does not exist is fine.
    """
    resolver = _Resolver(targets, limits)
    for link in targets:
        try:
            resolver.resolve(link)
        except LinkFault as fault:
            # The fault is named by the link that one would edit first: the one that was asked for.
            raise LinkFault(link, fault.description) from None


def faulty_links(targets: Mapping[str, str], limits: Limits) -> dict[str, str]:
    """Return every link that does not stay in the tree, with what is wrong with it.

    Links that lead through a link that is at fault are among them.
    """
    resolver = _Resolver(targets, limits)
    faults: dict[str, str] = {}
    for link in targets:
        try:
            resolver.resolve(link)
        except LinkFault as fault:
            faults[link] = fault.description
    return faults
