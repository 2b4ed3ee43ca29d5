"""Measures the search for code: how good, how fast. See README.md."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from evals.codesearch.packages import HALVES, HELD_OUT, PACKAGES
from evals.codesearch.quality import measure_quality
from evals.codesearch.quality_report import goals_met, tables
from evals.codesearch.queries import read_queries
from evals.codesearch.speed import Timed, measure
from evals.codesearch.speed_report import all_met, report
from evals.codesearch.trees import NAMES, open_tree
from evals.goals import exit_code


async def quality(options: argparse.Namespace) -> bool:
    """Scores all contenders and prints the tables; returns whether the goals were met."""
    chosen = [
        package
        for package in PACKAGES
        if options.half in (package.half, "both")
        and (not options.only or package.name in options.only)
    ]
    rows = await measure_quality(chosen, read_queries(), quick=options.quick, tell=_tell)
    if options.json:
        print(orjson.dumps([asdict(row) for row in rows]).decode())
    else:
        print(tables(rows))
    return goals_met(rows)


async def speed(options: argparse.Namespace) -> bool:
    """Times each tree and prints the tables; returns whether the goals were met."""
    all_timed: list[Timed] = []
    for name in options.only or NAMES:
        tree = await open_tree(name)
        _tell(f"{name}: pushing {len(tree.files):,} files")
        # In the system's own folder for such: a Unix socket's path has at most 107 bytes.
        with TemporaryDirectory(prefix="toolmesh-") as scratch:
            timed = await measure(
                tree,
                folder=Path(scratch),
                calls=options.calls,
                edits=options.edits,
                fill_seconds=options.fill_seconds,
                tell=_tell,
            )
        all_timed.append(timed)
    if options.json:
        print(orjson.dumps([asdict(timed) for timed in all_timed]).decode())
    else:
        print(report(all_timed))
    return all_met(all_timed)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evals.codesearch", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    scoring = commands.add_parser("quality", help="how often it finds the right symbol")
    scoring.set_defaults(run=quality)
    scoring.add_argument("--half", choices=[*HALVES, "both"], default=HELD_OUT)
    scoring.add_argument("--only", nargs="*", choices=[package.name for package in PACKAGES])
    scoring.add_argument(
        "--quick", action="store_true", help="search only the files that have right answers"
    )
    timing = commands.add_parser("speed", help="how fast it answers, and what it weighs")
    timing.set_defaults(run=speed)
    timing.add_argument("--only", nargs="*", choices=NAMES)
    timing.add_argument("--calls", type=int, default=300, help="searches one by one, and at once")
    timing.add_argument("--edits", type=int, default=5)
    timing.add_argument(
        "--fill-seconds", type=float, default=3600.0, help="the longest wait for embeddings"
    )
    for command in (scoring, timing):
        command.add_argument("--json", action="store_true", help="print JSON instead of tables")
        command.add_argument(
            "--strict", action="store_true", help="exit with 2 when a goal is not met"
        )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    return exit_code(options.run(options), strict=options.strict)


if __name__ == "__main__":
    sys.exit(main())
