"""Measures the repository map beside Aider's: how fast it is, how good. See README.md."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from evals.goals import exit_code
from evals.repomap.aider_peer import ENVIRONMENT
from evals.repomap.at_the_gateway import AtTheGateway, measure_at_the_gateway
from evals.repomap.inputs import PACKAGES, Input, fetch_package, open_repository
from evals.repomap.prepared import Sample
from evals.repomap.quality import measure_quality
from evals.repomap.quality_report import tables
from evals.repomap.repositories import HALVES, HELD_OUT, REPOSITORIES
from evals.repomap.source_text import language_of
from evals.repomap.speed import Counts, compare
from evals.repomap.speed_report import all_met, as_json, report

_GATEWAY_FILES = 1000


async def speed(options: argparse.Namespace) -> bool:
    """Times both sides and prints the table; returns whether all goals were met."""
    _tell("getting Aider and the code")
    if not options.ours_alone:
        await ENVIRONMENT.install()
    inputs = [await open_repository(path) for path in options.repository or ()] or [
        await fetch_package(package)
        for package in PACKAGES
        if not options.only or package.name in options.only
    ]
    counts = Counts(options.questions, options.aider_questions, options.edits)
    compared = []
    for code in inputs:
        with _scratch() as scratch:
            folder = Path(scratch)
            one = await compare(
                code, counts, folder=folder, with_aider=not options.ours_alone, tell=_tell
            )
        compared.append(one)
    gateway = await _gateway(inputs, options)
    if options.json:
        print(orjson.dumps(as_json(compared, gateway), option=orjson.OPT_INDENT_2).decode())
    else:
        print(report(compared, gateway))
    return all_met(compared, gateway)


async def _gateway(inputs: Sequence[Input], options: argparse.Namespace) -> AtTheGateway | None:
    """Measured on the first 1,000 files of code of the first input that has as many."""
    for code in inputs:
        with _scratch() as scratch:
            folder = Path(scratch)
            tree = folder / "tree"
            paths = [path for path in code.copy(tree) if language_of(path)]
            if len(paths) < _GATEWAY_FILES:
                continue
            _tell(f"the gateway, with {_GATEWAY_FILES:,} files of {code.name}")
            chosen = set(paths[:_GATEWAY_FILES])
            for file in [file for file in tree.rglob("*") if file.is_file()]:
                if file.relative_to(tree).as_posix() not in chosen:
                    file.unlink()
            return await measure_at_the_gateway(
                tree,
                sorted(chosen),
                folder=folder / "mesh",
                calls=options.calls,
                budgets=options.budgets,
            )
    return None


def _scratch() -> TemporaryDirectory[str]:
    # In the system's own folder for such: a Unix socket's path has at most 107 bytes.
    return TemporaryDirectory(prefix="toolmesh-")


async def quality(options: argparse.Namespace) -> bool:
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
        print(orjson.dumps([asdict(row) for row in rows]).decode())
    else:
        print(tables(rows))
    return True


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evals.repomap", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    timing = commands.add_parser("speed", help="time and memory")
    timing.set_defaults(run=speed)
    timing.add_argument("--repository", type=Path, nargs="*", help="folders to map instead")
    timing.add_argument("--only", nargs="*", choices=[package.name for package in PACKAGES])
    timing.add_argument("--questions", type=int, default=30, help="warm questions for ours")
    timing.add_argument("--aider-questions", type=int, default=3, help="and for Aider")
    timing.add_argument("--edits", type=int, default=5)
    timing.add_argument("--calls", type=int, default=200, help="at each door of the gateway")
    timing.add_argument("--budgets", type=int, default=1000, help="random requests")
    timing.add_argument("--strict", action="store_true", help="exit with 2 when a goal is not met")
    scoring = commands.add_parser("quality", help="how often maps show what matters")
    scoring.set_defaults(run=quality, strict=False)
    scoring.add_argument("--half", choices=[*HALVES, "both"], default=HELD_OUT)
    scoring.add_argument("--only", nargs="*", help="names of repositories")
    scoring.add_argument("--commits", type=int, default=40, help="tasks from history each")
    scoring.add_argument("--docstrings", type=int, default=20, help="hidden comments each")
    scoring.add_argument("--seed", type=int, default=7)
    scoring.add_argument("--clones", type=Path, help="a folder with a clone <name> of each")
    for command in (timing, scoring):
        command.add_argument("--ours-alone", action="store_true", help="without the peers")
        command.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    return exit_code(options.run(options), strict=options.strict)


if __name__ == "__main__":
    sys.exit(main())
