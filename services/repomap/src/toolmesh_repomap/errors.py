"""What the repomap service refuses, and why."""

from toolmesh_serving.errors import Code, FieldViolation, ToolmeshError


class FocusPathUnknown(ToolmeshError):
    """Focus paths that are no files of the snapshot."""

    code = Code.INVALID_ARGUMENT
    reason = "FOCUS_PATH_UNKNOWN"

    @classmethod
    def at(cls, unknown: dict[int, str]) -> "FocusPathUnknown":
        """Return the failure for the unknown paths, by their place in the request."""
        first = next(iter(unknown.values()))
        return cls(
            f"the snapshot has no file {first!r}; paths count from the workspace's root",
            field_violations=[
                FieldViolation(f"focus_paths[{index}]", f"no file {path!r} in the snapshot")
                for index, path in unknown.items()
            ],
        )
