"""What the repomap service refuses, and why."""

from collections.abc import Sequence

from toolmesh_serving.errors import Code, FieldViolation, ToolmeshError

# Of a path that a failure names; longer ones are cut in the middle.
_MOST_CHARACTERS = 200


class FocusPathUnknown(ToolmeshError):
    """Focus paths that are no files of the snapshot."""

    code = Code.INVALID_ARGUMENT
    reason = "FOCUS_PATH_UNKNOWN"

    @classmethod
    def at(cls, unknown: dict[int, str], why: str, nearest: Sequence[str]) -> "FocusPathUnknown":
        """Return the failure for the unknown paths, by their place in the request.

        `why` and `nearest`, files that may be meant, are of the first one.
        """
        first = next(iter(unknown))
        told = {
            index: f"no file {_shown(path)!r} in the snapshot" for index, path in unknown.items()
        }
        told[first] = f"{_shown(unknown[first])!r} {why}{_hint(nearest)}"
        return cls(
            f"{told[first]}; paths count from the workspace's root",
            field_violations=[
                FieldViolation(f"focus_paths[{at}]", said) for at, said in told.items()
            ],
        )


class PathUnknown(ToolmeshError):
    """A path that is no file of the snapshot."""

    code = Code.NOT_FOUND
    reason = "PATH_UNKNOWN"

    @classmethod
    def at(cls, field: str, path: str, why: str, nearest: Sequence[str]) -> "PathUnknown":
        """Return the failure for a path; `nearest` are files that may be meant."""
        hint = _hint(nearest)
        message = f"{_shown(path)!r} {why}; paths count from the workspace's root{hint}"
        return cls(
            message,
            metadata={"nearest_paths": "\n".join(nearest)} if nearest else {},
            field_violations=[FieldViolation(field, f"{why}{hint}")],
        )


class FilterInvalid(ToolmeshError):
    """A filter that cannot be used."""

    code = Code.INVALID_ARGUMENT
    reason = "FILTER_INVALID"

    @classmethod
    def at(cls, field: str, why: str) -> "FilterInvalid":
        """Return the failure for a field."""
        return cls(f"{field}: {why}", field_violations=[FieldViolation(field, why)])


class BudgetTooSmall(ToolmeshError):
    """Fewer tokens than the shortest answer has."""

    code = Code.INVALID_ARGUMENT
    reason = "BUDGET_TOO_SMALL"

    @classmethod
    def of(cls, most: int, needed: int) -> "BudgetTooSmall":
        """Return the failure for a budget, and what would be enough."""
        why = f"{most} tokens are too few for this answer; give at least {needed}"
        return cls(
            f"max_tokens: {why}",
            metadata={"needed_tokens": str(needed)},
            field_violations=[FieldViolation("max_tokens", why)],
        )


def _hint(nearest: Sequence[str]) -> str:
    likely = [near for near in nearest if len(near) <= _MOST_CHARACTERS]
    return f"; did you mean {', '.join(likely)}?" if likely else ""


def _shown(path: str) -> str:
    half = _MOST_CHARACTERS // 2
    return path if len(path) <= _MOST_CHARACTERS else f"{path[:half]}…{path[-half:]}"
