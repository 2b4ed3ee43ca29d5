"""Runs the semgrep service."""

from toolmesh_serving.main import run

run("semgrep")
