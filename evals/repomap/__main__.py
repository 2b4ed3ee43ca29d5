"""Measures the repository map beside Aider's: `python -m evals.repomap quality`. See README.md."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import orjson

from evals.processes import BenchmarkError
from evals.repomap.prepared import Sample
from evals.repomap.quality import measure_quality
from evals.repomap.quality_report import tables
from evals.repomap.repositories import HALVES, REPOSITORIES


async def quality(options: argparse.Namespace) -> None:
    """Scores maps and prints the tables."""
    chosen = [
        repository
        for repository in REPOSITORIES
        if options.half in (repository.half, "both")
        and (not options.only or repository.name in options.only)
    ]
    sample = Sample(options.commits, options.docstrings, options.seed)
    rows = await measure_quality(
        chosen, sample, clones=options.clones, with_peers=not options.ours_alone, tell=_tell
    )
    if options.json:
        options.json.write_bytes(orjson.dumps([asdict(row) for row in rows]))
    print(tables(rows))


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m evals.repomap", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    scoring = commands.add_parser("quality", help="how often maps show what matters")
    scoring.add_argument("--half", choices=[*HALVES, "both"], default="both")
    scoring.add_argument("--only", nargs="*", help="names of repositories")
    scoring.add_argument("--commits", type=int, default=40, help="tasks from history each")
    scoring.add_argument("--docstrings", type=int, default=20, help="hidden comments each")
    scoring.add_argument("--seed", type=int, default=7)
    scoring.add_argument("--clones", type=Path, help="a folder with a clone <name> of each")
    scoring.add_argument("--ours-alone", action="store_true", help="draw no other maps")
    scoring.add_argument("--json", type=Path, help="write every score to this file")
    scoring.set_defaults(run=quality)
    options = parser.parse_args(arguments)
    try:
        asyncio.run(options.run(options))
    except BenchmarkError as error:
        _tell(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
