"""Machine to machine: the client shows its own credentials, nobody signs in (OAuth 2.1 §4.2).

With Cognito, the client is an app client of its own, with a secret, the flow client_credentials and scopes of the MCP
server. Its tokens have no `aud`, so the MCP server has to tell by their scopes that they are meant for it
(`MCP_DEMO_AUDIENCE=scope`), and to name an authorization server whose token endpoint is the user pool's.
"""

import asyncio
import os
import sys

from mcp_demo.client import mcp
from mcp_demo.client.drive import drive
from mcp_demo.client.engine import Engine, Policy
from mcp_demo.client.registration import Identity
from mcp_demo.client.transport import open_async


async def main(url: str, client_id: str) -> None:
    """List the tools."""
    identity = Identity(client_id=client_id, client_secret=os.environ["CLIENT_SECRET"])
    # No browser is involved, so the redirect URI is never used.
    engine = Engine(url, identity, "http://localhost/unused", policy=Policy(for_itself=True))
    async with open_async(url) as http:
        result = mcp.read(await drive(engine.send(mcp.list_tools(url)), http))
    print([tool["name"] for tool in result["tools"]])  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
