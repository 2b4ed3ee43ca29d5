"""Runs the audit service."""

from toolmesh_serving.main import run

if __name__ == "__main__":
    run("audit")
