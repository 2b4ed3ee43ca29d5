"""The settings of the catalog service."""

from toolmesh_serving.settings import ServingSettings


class Settings(ServingSettings):
    """Read from `TOOLMESH_*` in the environment. The catalog needs nothing of its own."""
