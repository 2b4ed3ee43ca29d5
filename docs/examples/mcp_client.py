"""Asks for a repository's map as any MCP client does: initialize, list the tools, call one.

Run it as `python docs/examples/mcp_client.py 127.0.0.1:8080 TOKEN WORKSPACE`.
"""

import asyncio
import sys

from mcp import ClientSession
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client


async def main(address: str, token: str, workspace: str) -> None:
    """Prints the tools, the map and what it cost."""
    headers = {"authorization": f"Bearer {token}"}
    async with (
        create_mcp_http_client(headers=headers) as http,
        streamable_http_client(f"http://{address}/mcp", http_client=http) as streams,
        ClientSession(streams[0], streams[1]) as session,
    ):
        await session.initialize()
        tools = await session.list_tools()
        print("tools:", ", ".join(tool.name for tool in tools.tools))
        arguments = {"workspace": workspace, "maxTokens": 1000}
        result = await session.call_tool("repomap_map", arguments)
    answer = result.structured_content or {}
    print(answer["map"])
    print(f"{answer['tokenCount']} tokens, {answer['shownFileCount']} files shown")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
