"""The three-line way. The grant is kept, so the second run asks nobody."""

import asyncio
import sys
from pathlib import Path

from mcp_demo.client.api import call_tool
from mcp_demo.client.storage import FileStore


async def main(url: str, client_id: str | None = None, grants: str = ".grants.json") -> None:
    """Ask the server who I am."""
    result = await call_tool(url, "whoami", client_id=client_id, store=FileStore(Path(grants)))
    print(result.structured_content)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
