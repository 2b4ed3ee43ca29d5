"""Writes Envoy's configuration: `python -m toolmesh_gateway render --out FILE`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from toolmesh_contracts.contract import Contract
from toolmesh_gateway.config import render, to_yaml
from toolmesh_gateway.settings import GatewaySettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="toolmesh-gateway", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    rendering = commands.add_parser("render", help="write Envoy's configuration as YAML")
    rendering.add_argument("--out", type=Path, required=True, help="the file to write")
    rendering.add_argument("--descriptors", type=Path, help="a descriptor set; else the mesh's own")
    options = parser.parse_args(arguments)
    config = render(Contract.load(options.descriptors), GatewaySettings())
    options.out.write_text(to_yaml(config))
    return 0


if __name__ == "__main__":
    sys.exit(main())
