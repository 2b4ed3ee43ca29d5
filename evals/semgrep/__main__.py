"""Times scans beside Semgrep's own command. See README.md."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from evals.goals import exit_code
from evals.repomap.inputs import PACKAGES, fetch_package, open_repository
from evals.semgrep.cli_peer import ENVIRONMENT
from evals.semgrep.measure import compare
from evals.semgrep.report import figures, report


async def run(options: argparse.Namespace) -> bool:
    """Measure, print, and return whether all goals were met."""
    if not options.ours_alone:
        await ENVIRONMENT.install()
    if options.repository is not None:
        code = await open_repository(options.repository)
    else:
        code = await fetch_package(PACKAGES[0])
    # In the system's own folder for such: a Unix socket's path has at most 107 bytes.
    with TemporaryDirectory(prefix="toolmesh-") as scratch:
        folder = Path(scratch)
        tree = folder / "tree"
        await asyncio.to_thread(code.copy, tree)
        compared = await compare(
            tree,
            folder=folder,
            repeats=options.repeats,
            with_command=not options.ours_alone,
            tell=lambda line: print(line, file=sys.stderr, flush=True),
        )
    if options.json:
        print(orjson.dumps(asdict(compared), option=orjson.OPT_INDENT_2).decode())
    else:
        print(f"{code.name}: {report(compared)}")
    return all(figure.met is not False for figure in figures(compared))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m evals.semgrep", description=__doc__)
    parser.add_argument("--repository", type=Path, help="a folder to scan instead of Django")
    parser.add_argument("--repeats", type=int, default=3, help="how often what is short is done")
    parser.add_argument("--ours-alone", action="store_true", help="without the command")
    parser.add_argument("--strict", action="store_true", help="exit with 2 when a goal is missed")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    return exit_code(run(options), strict=options.strict)


if __name__ == "__main__":
    sys.exit(main())
