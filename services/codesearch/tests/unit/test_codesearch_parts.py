"""What is kept of a file says where it begins and ends."""

import numpy as np
import pytest

from toolmesh_codesearch.parts import SourceFile, make_parts, units_of
from toolmesh_codesearch.words import Vocabulary
from toolmesh_outlines.outline import Outline


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"one\ntwo", (1, 2)),
        (b"one\ntwo\n", (1, 2)),
        (b"one\n\n", (1, 2)),
        (b"\n", (1, 1)),
        (b"", (0, 0)),
        (b"\0\n\n", (0, 0)),
    ],
)
def test_a_file_ends_with_its_last_line(content: bytes, lines: tuple[int, int]) -> None:
    """There is no line after the last line break, and none of what is not read."""
    (made,) = make_parts([SourceFile(content, "", Outline())], Vocabulary())
    (unit,) = units_of(made.part)
    assert (unit.line, unit.end_line) == lines
    assert tuple(np.frombuffer(made.part.lines, dtype=np.int32)) == lines


def test_a_line_break_at_the_end_needs_no_other_embedding() -> None:
    """What is embedded of a file, and of a section, is the same with it and without."""
    for language in ("", "markdown"):
        texts = [
            make_parts([SourceFile(content, language, Outline())], Vocabulary())[0].texts
            for content in (b"# One\n\ntwo", b"# One\n\ntwo\n")
        ]
        assert texts[0] == texts[1] != {}
