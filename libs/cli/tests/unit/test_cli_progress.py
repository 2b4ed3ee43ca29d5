"""A stream's progress is shown by its shape alone."""

import pytest

from toolmesh.audit.v1 import audit_service_pb2 as pb
from toolmesh_cli.progress import is_only_progress, progress_display, tells_progress


def told(done: int, total: int) -> pb.VerifyAuditResponse:
    """A message that tells of progress and nothing else."""
    return pb.VerifyAuditResponse(progress=pb.VerifyProgress(done_count=done, total_count=total))


def test_the_rule_is_the_shape_of_the_message() -> None:
    """A field `progress` with both counts; any other message has none."""
    assert tells_progress(pb.VerifyAuditResponse.DESCRIPTOR)
    assert not tells_progress(pb.TailAuditEventsResponse.DESCRIPTOR)


def test_a_message_that_says_more_is_an_answer() -> None:
    """Only what is nothing but progress is not printed."""
    assert is_only_progress(told(1, 2))
    both = told(2, 2)
    both.finished = True
    assert not is_only_progress(both)
    assert not is_only_progress(pb.TailAuditEventsResponse())


async def test_a_log_gets_lines(capfd: pytest.CaptureFixture[str]) -> None:
    """Without a terminal there is a plain line now and then, on stderr."""
    async with progress_display("VerifyAudit") as display:
        display.show(pb.VerifyAuditResponse())
        display.show(told(10, 2310))
        display.show(told(11, 2310))
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err == "verify audit: 10 of 2,310\n"


async def test_a_total_that_is_not_known_is_left_out(capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is said of 0 files in all."""
    async with progress_display("Index") as display:
        display.show(told(1500, 0))
    assert capfd.readouterr().err == "index: 1,500\n"


async def test_a_program_gets_none(capfd: pytest.CaptureFixture[str]) -> None:
    """Who reads JSON has the progress in it."""
    async with progress_display("Index", quiet=True) as display:
        display.show(told(1, 2))
    assert capfd.readouterr().err == ""
