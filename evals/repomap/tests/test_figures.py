"""Baselines, memory and the judging of goals, without load."""

import subprocess
import sys
from pathlib import Path

import pytest

from evals.repomap.baselines import FileSearch, filled
from evals.repomap.memory import watched
from evals.repomap.speed_report import Figure
from toolmesh_serving.tokens import count_tokens


def test_bm25_finds_the_file_that_has_the_rare_word(tmp_path: Path) -> None:
    """Parts of names count, and rare words most."""
    (tmp_path / "a.py").write_text("def read_file(): pass\n" * 5)
    (tmp_path / "b.py").write_text("def parseManifest(): pass\ndef read_file(): pass\n")
    search = FileSearch(tmp_path, ["a.py", "b.py"])
    assert search.ranked("where is the manifest of a file")[0] == "b.py"
    assert list(search.outlined(["b.py"]))[:2] == ["b.py:", "  def parseManifest(): pass"]


def test_baselines_keep_the_budget() -> None:
    """Lines are taken as long as they fit, and not one more."""
    lines = [f"src/some/file_{n}.py" for n in range(1000)]
    text = filled(lines, 100)
    assert 80 < count_tokens(text) <= 100


def test_memory_of_children_counts() -> None:
    """The peak is that of the process with all its children."""
    hog = "import time; x = bytearray(200_000_000); print(flush=True); time.sleep(60)"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hog!r}])"
    command = [sys.executable, "-c", program]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, process_group=0) as process,
        watched(process.pid) as peak,
    ):
        assert process.stdout is not None
        process.stdout.readline()
        while peak.resident_bytes < 200_000_000 and process.poll() is None:
            pass
        subprocess.run(["kill", "--", f"-{process.pid}"], check=True)
    assert peak.process_count == 2


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (Figure("f", "s", 1.0, 5.0, least_ratio=5), True),
        (Figure("f", "s", 1.0, 4.9, least_ratio=5), False),
        (Figure("f", "s", 1.0, None, least_ratio=5), None),
        (Figure("f", "s", 1.1, 9.9, most=1.0), False),
        (Figure("f", "s", 1.0, 9.9), None),
    ],
)
def test_goals_are_judged_by_ratio_or_by_our_own_figure(figure: Figure, met: bool | None) -> None:
    """Without a peer to compare with there is no verdict."""
    assert figure.met is met
