"""Runs the workspace service."""

from toolmesh_serving.server import run
from toolmesh_workspace.service import open_service
from toolmesh_workspace.settings import Settings

if __name__ == "__main__":
    run("workspace", Settings, open_service)
