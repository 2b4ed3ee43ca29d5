"""Runs the catalog service."""

from toolmesh_catalog.service import open_service
from toolmesh_catalog.settings import Settings
from toolmesh_serving.server import run

if __name__ == "__main__":
    run("catalog", Settings, open_service)
