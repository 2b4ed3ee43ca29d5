"""A running repomap service."""

from collections.abc import AsyncGenerator
from pathlib import Path

import grpc.aio
import pytest

from toolmesh_client.channels import open_channel, service_address
from toolmesh_repomap.service import open_service
from toolmesh_repomap.settings import Settings
from toolmesh_serving.server import running


@pytest.fixture
async def repomap_channel(
    identity_pattern: str, tmp_path: Path
) -> AsyncGenerator[grpc.aio.Channel]:
    """A channel to a running repomap service, which calls as nobody in particular."""
    address = service_address(identity_pattern, "repomap")
    settings = Settings(
        listen=address, address_pattern=identity_pattern, data_folder=tmp_path / "repomap"
    )
    async with (
        open_service(settings) as service,
        running(settings, service),
        open_channel(address) as channel,
    ):
        yield channel
