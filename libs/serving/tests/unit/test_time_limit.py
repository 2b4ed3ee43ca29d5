"""Work ends when its time is up, and only then."""

import asyncio

import pytest

from toolmesh_serving.time_limit import TimeLimit


async def test_work_in_time_is_left_alone() -> None:
    """What ends in time is not touched, then or later."""
    with TimeLimit(0.05):
        await asyncio.sleep(0)
    await asyncio.sleep(0.1)


async def test_work_that_takes_too_long_ends() -> None:
    """The block raises TimeoutError, and the task is not left cancelled."""
    with pytest.raises(TimeoutError), TimeLimit(0.01):
        await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_no_time_at_all_ends_work_at_its_first_wait() -> None:
    """A limit in the past lets nothing wait."""
    with pytest.raises(TimeoutError), TimeLimit(-1):
        await asyncio.sleep(10)


async def test_who_else_cancels_is_heard() -> None:
    """A cancellation from outside stays one, also when the time is up as well."""

    async def work() -> None:
        with TimeLimit(0):
            await asyncio.Event().wait()

    for waits in (0, 1):
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        for _ in range(waits):
            asyncio.get_running_loop().call_soon(task.cancel)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_an_error_of_the_work_stays_what_it_is() -> None:
    """A limit does not change other failures."""
    with pytest.raises(ValueError, match="own"), TimeLimit(10):
        raise ValueError("own")


def test_a_limit_needs_a_task() -> None:
    """Outside of a task there is nothing to end."""

    async def construct() -> None:
        raised = asyncio.get_running_loop().create_future()

        def outside() -> None:
            try:
                TimeLimit(1)
            except RuntimeError as error:
                raised.set_result(str(error))

        asyncio.get_running_loop().call_soon(outside)
        assert "needs a task" in await raised

    asyncio.run(construct())
