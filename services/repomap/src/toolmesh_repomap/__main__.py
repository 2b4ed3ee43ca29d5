"""Runs the repomap service."""

from toolmesh_repomap.service import open_service
from toolmesh_repomap.settings import Settings
from toolmesh_serving.server import run

if __name__ == "__main__":
    run("repomap", Settings, open_service)
