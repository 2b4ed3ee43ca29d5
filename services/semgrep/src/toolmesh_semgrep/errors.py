"""What the semgrep service refuses, and why."""

from toolmesh_semgrep.engine_languages import EngineLanguages
from toolmesh_serving.errors import Code, FieldViolation, ToolmeshError
from toolmesh_serving.unknown_names import no_such


class RuleInvalid(ToolmeshError):
    """A rule of the request cannot be used."""

    code = Code.INVALID_ARGUMENT
    reason = "RULE_INVALID"


class PackUnknown(ToolmeshError):
    """There is no rule pack of that name."""

    code = Code.INVALID_ARGUMENT
    reason = "PACK_UNKNOWN"

    @classmethod
    def at(cls, field: str, name: str, known: list[str]) -> "PackUnknown":
        """Return the failure for a name in a field; `known` are the packs that there are."""
        description = no_such("rule pack", name, known)
        return cls(description, field_violations=[FieldViolation(field, description)])


class LanguageUnknown(ToolmeshError):
    """The engine does not read that language."""

    code = Code.INVALID_ARGUMENT
    reason = "LANGUAGE_UNKNOWN"

    @classmethod
    def at(cls, field: str, name: str, known: EngineLanguages) -> "LanguageUnknown":
        """Return the failure for a language's name in a field; `known` are those there are."""
        description = no_such("language", name, known.names, aliases=known.aliases)
        return cls(description, field_violations=[FieldViolation(field, description)])


class ScanInvalid(ToolmeshError):
    """A field, or a combination of fields, that cannot be used."""

    code = Code.INVALID_ARGUMENT
    reason = "SCAN_INVALID"

    @classmethod
    def at(cls, field: str, description: str) -> "ScanInvalid":
        """Return the failure for a field."""
        return cls(description, field_violations=[FieldViolation(field, description)])


class ScansBusy(ToolmeshError):
    """As many scans run as the service can bear."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "SCANS_BUSY"


class EngineFailed(ToolmeshError):
    """The engine could not be started, or gave no answer."""

    code = Code.UNAVAILABLE
    reason = "ENGINE_FAILED"
