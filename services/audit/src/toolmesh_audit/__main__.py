"""Runs the audit service."""

from toolmesh_audit.service import open_service
from toolmesh_audit.settings import Settings
from toolmesh_serving.server import run

if __name__ == "__main__":
    run("audit", Settings, open_service)
