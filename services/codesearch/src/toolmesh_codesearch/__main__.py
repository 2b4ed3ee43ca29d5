"""Runs the codesearch service."""

from toolmesh_serving.main import run

run("codesearch")
