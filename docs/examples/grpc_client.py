"""Asks for a repository's map with the generated gRPC client.

Run it as `python docs/examples/grpc_client.py 127.0.0.1:8080 TOKEN WORKSPACE`.
"""

import asyncio
import sys

import grpc.aio

from toolmesh.repomap.v1 import repomap_service_pb2, repomap_service_pb2_grpc


async def main(address: str, token: str, workspace: str) -> None:
    """Prints the map and what it cost."""
    async with grpc.aio.insecure_channel(address) as channel:
        repomap = repomap_service_pb2_grpc.RepomapServiceStub(channel)
        answer = await repomap.Map(
            repomap_service_pb2.MapRequest(workspace=workspace, max_tokens=1000),
            metadata=[("authorization", f"Bearer {token}")],
            timeout=60,
        )
    print(answer.map)
    print(f"{answer.token_count} tokens, {answer.shown_file_count} files shown")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
