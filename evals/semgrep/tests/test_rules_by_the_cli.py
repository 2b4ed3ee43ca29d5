"""The rules of our own, tried by the test mode of Semgrep's own command."""

import os
from pathlib import Path

import pytest

from evals.environments import PeerEnvironment, run

_RULES = Path(__file__).parents[3] / "services" / "semgrep" / "rules"
_LOCK = Path(__file__).parents[1] / "cli.lock"
# Without these it waits for the network.
_FLAGS = ("--metrics", "off", "--disable-version-check")


@pytest.mark.slow
async def test_the_commands_own_test_mode_passes_every_rule() -> None:
    """`semgrep scan --test` finds what is announced in every rule's test file, and mends it."""
    environment = PeerEnvironment("semgrep", _LOCK)
    await environment.install()
    programs = environment.folder / "bin"
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    said = await run(
        programs / "semgrep", "scan", "--test", *_FLAGS, _RULES,
        env={**os.environ, "PATH": path, "SEMGREP_SEND_METRICS": "off"},
    )  # fmt: skip
    rule_count = sum(file.read_text().count("\n  - id: ") for file in _RULES.rglob("*.yaml"))
    assert f"{rule_count}/{rule_count}: ✓ All tests passed" in said
    fixed_count = len(list(_RULES.rglob("*.fixed.*")))
    assert f"{fixed_count}/{fixed_count}: ✓ All fix tests passed" in said
