"""The stages of every service and their order."""

from typing import Any

from toolmesh_serving.stage import Stage
from toolmesh_serving.stages import (
    DeadlineStage,
    ErrorStage,
    FieldRulesStage,
    IdentityStage,
    LogStage,
    RequestIdStage,
    TracingStage,
    standard_stages,
)
from toolmesh_serving.telemetry import Telemetry


def test_the_stages_have_their_order(signer: Any) -> None:
    """Tracing, request id, log, errors, deadline, identity and scope, field rules."""
    stages = standard_stages(signer.verifier(), Telemetry(), None)

    assert [type(stage) for stage in stages] == [
        TracingStage,
        RequestIdStage,
        LogStage,
        ErrorStage,
        DeadlineStage,
        IdentityStage,
        FieldRulesStage,
    ]


def test_a_stage_does_nothing_by_itself() -> None:
    """A stage states only what it is about."""
    nothing: Any = None

    assert Stage().begin(nothing) is None
    Stage().message(nothing, nothing)
    Stage().end(nothing)
