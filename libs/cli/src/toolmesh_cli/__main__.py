"""Runs the command: `python -m toolmesh_cli`."""

from toolmesh_cli.app import main

if __name__ == "__main__":
    main()
