"""The identity service as clients reach it, and the time that their tokens are fresh by."""

import time
from collections.abc import AsyncGenerator
from types import SimpleNamespace

import grpc.aio
import pytest

from toolmesh_client import fresh_tokens
from toolmesh_client.channels import open_channel, service_address


@pytest.fixture
def address(identity_pattern: str) -> str:
    """Where the identity service is."""
    return service_address(identity_pattern, "identity")


@pytest.fixture
async def channel(address: str) -> AsyncGenerator[grpc.aio.Channel]:
    """Leads to the identity service, without a token."""
    async with open_channel(address) as channel:
        yield channel


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time that the module under test reads: set `now` to move it."""
    clock = SimpleNamespace(now=time.monotonic())
    fake = SimpleNamespace(monotonic=lambda: clock.now)
    monkeypatch.setattr(fresh_tokens, "time", fake)
    return clock
