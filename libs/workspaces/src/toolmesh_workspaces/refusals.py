"""Why a manifest, a tree or a content is refused."""

from enum import Enum


class Refusal(Enum):
    """The kinds of refusal, one for each error reason that concerns a snapshot's content."""

    PATH = "PATH_INVALID"
    FILE_TYPE = "FILE_TYPE_INVALID"
    DIGEST = "DIGEST_MISMATCH"
    TOO_LARGE = "TOO_LARGE"


class ManifestError(Exception):
    """An entry of a manifest breaks a rule."""

    def __init__(self, refusal: Refusal, *, field: str, description: str) -> None:
        super().__init__(f"{field}: {description}")
        self.refusal = refusal
        self.field = field
        """Where the fault is, for example `files[12].path`."""
        self.description = description
        """What is wrong, in one sentence without a capital or a full stop."""
