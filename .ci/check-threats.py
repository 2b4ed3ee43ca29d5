"""Checks that docs/security.md names a test for every threat, and that each named test exists."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

_PAGE = Path("docs/security.md")
_TESTS = ("libs", "services", "gateway", "evals")
_HEADING = "| Threat | What stops it | Which test shows it |"


def main() -> int:
    """Prints what is wrong with the page; 1 if anything is."""
    known = {
        name
        for folder in _TESTS
        for file in Path(folder).rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
    }
    wrong: list[str] = []
    for threat, shown in _threats(_PAGE.read_text()):
        names = re.findall(r"`(test_\w+)`", shown)
        wrong += [] if names else [f"no test shows: {threat}"]
        wrong += [f"there is no {name}, named for: {threat}" for name in names if name not in known]
    for line in wrong:
        print(f"{_PAGE}: {line}")
    return 1 if wrong else 0


def _threats(page: str) -> Iterator[tuple[str, str]]:
    """The threat and the last cell of each row of each table of threats."""
    inside = False
    for line in page.splitlines():
        if line == _HEADING:
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("|---"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            yield cells[0], cells[-1]


if __name__ == "__main__":
    sys.exit(main())
