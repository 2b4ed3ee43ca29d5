"""Places for heavy work."""

import pytest

from toolmesh_serving.call_limit import CallLimit
from toolmesh_serving.errors import Code, ToolmeshError


class _Busy(ToolmeshError):
    code = Code.RESOURCE_EXHAUSTED
    reason = "BUSY"


def test_who_finds_no_place_is_told_when_to_come_back() -> None:
    """And a place that was given up, also by a failure, is free again."""
    limit = CallLimit(2, busy=_Busy, work="scans", retry_seconds=3)
    with limit.place():
        with (
            limit.place(),
            pytest.raises(_Busy, match="as many scans run") as caught,
            limit.place(),
        ):
            pass
        with pytest.raises(ZeroDivisionError), limit.place():
            raise ZeroDivisionError
        with limit.place():
            pass
    assert caught.value.retry_after_seconds == 3
