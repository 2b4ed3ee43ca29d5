"""What the workspace service refuses, and why."""

from collections.abc import Generator
from contextlib import contextmanager

from toolmesh_serving.errors import Code, FieldViolation, ToolmeshError
from toolmesh_workspaces.refusals import ManifestError, Refusal


class WorkspaceUnknown(ToolmeshError):
    """No workspace of that id, or one that the caller may not see; which of the two is not told."""

    code = Code.NOT_FOUND
    reason = "WORKSPACE_UNKNOWN"

    @classmethod
    def of(cls, workspace: str) -> "WorkspaceUnknown":
        """The one form of this error, so that nobody can tell the two cases apart."""
        return cls(
            f"there is no workspace {workspace!r} that you may see",
            metadata={"workspace": workspace},
        )


class WorkspaceDeleted(WorkspaceUnknown):
    """The record is gone, for everybody; callers are told what they always are."""


class WorkspaceEmpty(ToolmeshError):
    """The newest snapshot was asked for, and nothing was pushed yet."""

    code = Code.FAILED_PRECONDITION
    reason = "WORKSPACE_EMPTY"


class AccessTooLow(ToolmeshError):
    """The caller may see the workspace, but not do this with it."""

    code = Code.PERMISSION_DENIED
    reason = "ACCESS_TOO_LOW"


class DelegatedToken(ToolmeshError):
    """What a delegated token asks for would outlive the delegation or leave its bounds."""

    code = Code.PERMISSION_DENIED
    reason = "DELEGATED_TOKEN"


class NotAdmin(ToolmeshError):
    """What belongs to another subject is for administrators."""

    code = Code.PERMISSION_DENIED
    reason = "NOT_ADMIN"


class TooManyMembers(ToolmeshError):
    """The workspace is shared with as many subjects as it can be."""

    code = Code.FAILED_PRECONDITION
    reason = "TOO_MANY_MEMBERS"


class TooManyPushes(ToolmeshError):
    """As many pushes run as the service takes, or as it takes of one subject."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "TOO_MANY_PUSHES"


class PushIdle(ToolmeshError):
    """The client of a push or an upload sent nothing for too long."""

    code = Code.DEADLINE_EXCEEDED
    reason = "PUSH_IDLE"


class SnapshotUnknown(ToolmeshError):
    """The workspace has no such snapshot, or not any more."""

    code = Code.NOT_FOUND
    reason = "SNAPSHOT_UNKNOWN"


class BlobUnknown(ToolmeshError):
    """The workspace has no content of that digest."""

    code = Code.NOT_FOUND
    reason = "BLOB_UNKNOWN"


class PathInvalid(ToolmeshError):
    """A path is absolute, leaves the tree, is not sorted, appears twice, or is not UTF-8."""

    code = Code.INVALID_ARGUMENT
    reason = "PATH_INVALID"


class FileTypeInvalid(ToolmeshError):
    """A link leaves the tree, or an entry is a device or another special file."""

    code = Code.INVALID_ARGUMENT
    reason = "FILE_TYPE_INVALID"


class DigestMismatch(ToolmeshError):
    """A content does not have the digest or the size that the manifest states."""

    code = Code.INVALID_ARGUMENT
    reason = "DIGEST_MISMATCH"


class TooLarge(ToolmeshError):
    """More files or bytes than a workspace may have."""

    code = Code.INVALID_ARGUMENT
    reason = "TOO_LARGE"


class PushOrder(ToolmeshError):
    """The messages of a push came in another order than theirs."""

    code = Code.INVALID_ARGUMENT
    reason = "PUSH_ORDER"


class TarInvalid(ToolmeshError):
    """The upload is not a tar file that can be read."""

    code = Code.INVALID_ARGUMENT
    reason = "TAR_INVALID"


_BY_REFUSAL: dict[Refusal, type[ToolmeshError]] = {
    Refusal.PATH: PathInvalid,
    Refusal.FILE_TYPE: FileTypeInvalid,
    Refusal.DIGEST: DigestMismatch,
    Refusal.TOO_LARGE: TooLarge,
}


def error_of(refusal: Refusal) -> type[ToolmeshError]:
    """Return the kind of error that a refusal becomes."""
    return _BY_REFUSAL[refusal]


def at_field(kind: type[ToolmeshError], field: str, description: str) -> ToolmeshError:
    """Return an error about one field; its message is made of the field and the description."""
    violation = FieldViolation(field=field, description=description)
    return kind(f"{field} {description}", field_violations=[violation])


@contextmanager
def refusing_manifests() -> Generator[None]:
    """Turn what is wrong with an entry into the error of that kind."""
    try:
        yield
    except ManifestError as error:
        raise at_field(error_of(error.refusal), error.field, error.description) from None
