"""Runs the identity service."""

from toolmesh_identity.service import open_service
from toolmesh_identity.settings import Settings
from toolmesh_serving.server import run

if __name__ == "__main__":
    run("identity", Settings, open_service)
