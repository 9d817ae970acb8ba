"""Machine to machine: the client shows its own credentials, nobody signs in (OAuth 2.1 §4.2)."""

import asyncio
import os
import sys

import httpx

from mcp_demo.client import mcp
from mcp_demo.client.drive import drive
from mcp_demo.client.engine import Engine, Policy
from mcp_demo.client.registration import Identity


async def main(url: str, client_id: str) -> None:
    """List the tools."""
    identity = Identity(client_id=client_id, client_secret=os.environ["CLIENT_SECRET"])
    # No browser is involved, so the redirect URI is never used.
    engine = Engine(url, identity, "http://localhost/unused", policy=Policy(for_itself=True))
    async with httpx.AsyncClient(timeout=30) as http:
        result = mcp.read(await drive(engine.send(mcp.list_tools(url)), http))
    print([tool["name"] for tool in result["tools"]])  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
