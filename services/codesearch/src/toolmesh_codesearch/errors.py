"""What the codesearch service refuses, and why."""

from toolmesh_serving.errors import Code, FieldViolation, ToolmeshError
from toolmesh_serving.unknown_names import no_such


class SearchInvalid(ToolmeshError):
    """A field, or a combination of fields, that cannot be used."""

    code = Code.INVALID_ARGUMENT
    reason = "SEARCH_INVALID"

    @classmethod
    def at(cls, field: str, description: str) -> "SearchInvalid":
        """Return the failure for a field."""
        return cls(description, field_violations=[FieldViolation(field, description)])


class RegexInvalid(ToolmeshError):
    """The regular expression cannot be used."""

    code = Code.INVALID_ARGUMENT
    reason = "REGEX_INVALID"

    @classmethod
    def at(cls, position: int, why: str) -> "RegexInvalid":
        """Return the failure for a character of the expression, counted from 1."""
        description = f"{why}, at character {position}"
        return cls(
            f"the regular expression cannot be used: {description}",
            field_violations=[FieldViolation("regex", description)],
            metadata={"position": str(position)},
        )


class LanguageUnknown(ToolmeshError):
    """No language of that name is known."""

    code = Code.INVALID_ARGUMENT
    reason = "LANGUAGE_UNKNOWN"

    @classmethod
    def at(cls, field: str, name: str, known: list[str]) -> "LanguageUnknown":
        """Return the failure for a language's name in a field; `known` are those there are."""
        description = no_such("language", name, known)
        return cls(description, field_violations=[FieldViolation(field, description)])


class SearchesBusy(ToolmeshError):
    """As many searches run as the service can bear."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "SEARCHES_BUSY"


class IndexesBusy(ToolmeshError):
    """As many callers wait for indexes as the service can bear."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "INDEXES_BUSY"
