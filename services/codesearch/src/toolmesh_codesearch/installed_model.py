"""Says which model is installed: embeddings of another one cannot be compared with its own."""

from importlib import metadata

from toolmesh_codesearch.model_file import PACKAGE


def installed_model() -> str | None:
    """Return the name and version of the installed model; None when there is none."""
    try:
        return f"{PACKAGE} {metadata.version(PACKAGE)}"
    except metadata.PackageNotFoundError:
        return None
