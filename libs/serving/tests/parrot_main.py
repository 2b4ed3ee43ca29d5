"""Runs the parrot service as every service is run."""

from toolmesh_serving.main import run

if __name__ == "__main__":
    run("parrot", module="parrot_process")
