"""Reading the contents of a scanned tree for a push."""

import os
from pathlib import Path

import pytest
from blake3 import blake3

from toolmesh_workspaces.contents import FileChangedError, TreeContents
from toolmesh_workspaces.scan import scan_tree


def _tree(root: Path, contents: dict[str, bytes]) -> TreeContents:
    for name, data in contents.items():
        (root / name).write_bytes(data)
    return TreeContents(root, scan_tree(root).manifest)


async def test_contents_come_in_the_order_asked_for(tmp_path: Path) -> None:
    """More files than fit into one batch, some of them large."""
    data = {f"{n:03}": bytes([n % 251]) * (1 + n * 997) for n in range(300)}
    contents = _tree(tmp_path, data)
    wanted = [blake3(content).digest() for content in reversed(data.values())]
    read = [content.digest async for content in contents.read(wanted)]
    assert read == wanted


@pytest.mark.parametrize("change", [b"", b"x", b"another one", b"content and more"])
async def test_a_file_that_changed_is_noticed_before_it_is_sent(
    tmp_path: Path, change: bytes
) -> None:
    """Shorter, longer or of the same size: what is sent is what was scanned."""
    contents = _tree(tmp_path, {"a": b"the content"})
    (tmp_path / "a").write_bytes(change)
    with pytest.raises(FileChangedError, match="a changed"):
        [content async for content in contents.read([blake3(b"the content").digest()])]


@pytest.mark.parametrize("kind", ["fifo", "link"])
async def test_what_is_no_file_any_more_is_noticed(tmp_path: Path, kind: str) -> None:
    """A FIFO is not waited for, and a link is not followed, though it lead to the same content."""
    contents = _tree(tmp_path, {"a": b"x", "b": b"x"})
    (tmp_path / "b").unlink()
    if kind == "fifo":
        os.mkfifo(tmp_path / "b")
    else:
        (tmp_path / "b").symlink_to("a")
    with pytest.raises(FileChangedError):
        [content async for content in contents.read([blake3(b"x").digest()])]


async def test_a_file_that_is_gone_is_noticed(tmp_path: Path) -> None:
    """It counts as changed."""
    contents = _tree(tmp_path, {"a": b"x"})
    (tmp_path / "a").unlink()
    with pytest.raises(FileChangedError):
        [content async for content in contents.read([blake3(b"x").digest()])]
