"""Links stay in the tree, through any chain of links."""

import os
from pathlib import Path

import pytest

from toolmesh_workspaces.limits import DEFAULT_LIMITS
from toolmesh_workspaces.links import LinkFault, check_links, faulty_links


@pytest.mark.parametrize(
    "targets",
    [
        {"a": "b"},
        {"a/b/c": "../../d"},
        {"a/b": ".."},
        {"a/b": "./../x//y/"},
        {"a": "missing/deeper"},
        {"a": "b", "b": "c/d", "c/e": "../a"},
        {"up/root": "..", "x": "up/root/y"},
    ],
)
def test_links_inside_the_tree_pass(targets: dict[str, str]) -> None:
    """Chains, links to folders and links to nothing are all fine."""
    check_links(targets, DEFAULT_LIMITS)


@pytest.mark.parametrize(
    ("targets", "faulty"),
    [
        ({"a": ".."}, "a"),
        ({"a/b": "../.."}, "a/b"),
        # Each looks harmless: `up` leads to the root, and from there `..` leaves.
        ({"d/up": "..", "x": "d/up/.."}, "x"),
        ({"d/e/up": "../..", "z": "d/e/up/../etc"}, "z"),
        ({"a": "b/../..", "b": "c"}, "a"),
        ({"a": "missing/../.."}, "a"),
    ],
)
def test_links_that_leave_are_refused(targets: dict[str, str], faulty: str) -> None:
    """Where a link leads is worked out as the kernel does, not by cutting strings."""
    with pytest.raises(LinkFault, match="leads out of the tree") as caught:
        check_links(targets, DEFAULT_LIMITS)
    assert caught.value.path == faulty


@pytest.mark.parametrize("targets", [{"a": "a"}, {"a": "b", "b": "a"}, {"a": "b/x", "b": "a/y"}])
def test_circles_are_refused(targets: dict[str, str]) -> None:
    """A circle leads nowhere, and not every program notices."""
    with pytest.raises(LinkFault, match="circle"):
        check_links(targets, DEFAULT_LIMITS)


def test_chains_are_as_long_as_the_kernel_follows() -> None:
    """Forty links in a row pass, one more does not."""
    check_links({f"{n}": f"{n + 1}" for n in range(40)}, DEFAULT_LIMITS)
    with pytest.raises(LinkFault, match="more than 40 links"):
        check_links({f"{n}": f"{n + 1}" for n in range(41)}, DEFAULT_LIMITS)


def test_links_that_double_at_every_step_are_refused_at_once() -> None:
    """Sixty links that each lead twice through the one before would take 2^60 steps to follow."""
    targets = {f"l{n}": f"l{n - 1}/l{n - 1}" for n in range(1, 61)} | {"l0": "."}
    with pytest.raises(LinkFault, match="more than 40 links"):
        check_links(targets, DEFAULT_LIMITS)


def test_links_to_places_that_no_path_can_name_are_refused() -> None:
    """Else each of a chain could lead deeper, and following them all would take many minutes."""
    deep = "a/" * 2047 + "b"
    check_links({"l0": deep}, DEFAULT_LIMITS)
    with pytest.raises(LinkFault, match="longer than 4096 bytes") as caught:
        check_links({"l0": deep, "l1": "l0/" + "a/" * 10}, DEFAULT_LIMITS)
    assert caught.value.path == "l1"


def test_all_faulty_links_are_told_with_those_that_lead_through_them() -> None:
    """A scan leaves out exactly the links that would be refused."""
    targets = {"a": "b", "b": "../x", "c": "d", "e": "e"}
    faults = faulty_links(targets, DEFAULT_LIMITS)
    assert set(faults) == {"a", "b", "e"}
    check_links({link: to for link, to in targets.items() if link not in faults}, DEFAULT_LIMITS)


def test_the_kernel_agrees(tmp_path: Path) -> None:
    """Real links of both kinds lead where the check says."""
    root = tmp_path / "root"
    (root / "d" / "e").mkdir(parents=True)
    links = {"d/up": "..", "out": "d/up/..", "d/e/in": "../up/d"}
    for link, target in links.items():
        (root / link).symlink_to(target)
    leaves = {
        link
        for link in links
        if not os.path.realpath(root / link).startswith(os.path.realpath(root))
    }
    assert leaves == set(faulty_links(links, DEFAULT_LIMITS)) == {"out"}
