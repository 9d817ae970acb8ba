"""The official `mcp` SDK over a transport that authorizes by itself, step-up included."""

import asyncio
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from mcp_demo.client.auth import SdkOAuth
from mcp_demo.client.engine import Engine
from mcp_demo.client.registration import Identity
from mcp_demo.client.sign_in import Loopback


async def main(url: str, client_id: str | None = None) -> None:
    """List the tools and call one."""
    with Loopback() as browser:
        auth = SdkOAuth(Engine(url, Identity(client_id=client_id), browser.redirect_uri), browser)
        async with (
            httpx2.AsyncClient(auth=auth, timeout=30) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            print([tool.name for tool in (await client.list_tools()).tools])  # noqa: T201
            print((await client.call_tool("whoami", {})).structured_content)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
