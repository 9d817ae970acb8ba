"""Relays between the processes of a running system, so that faults can be made where no process has one.

Domain, MCP server and bridge move to other ports, and relays take their addresses: nobody's settings change. What MCP
server and bridge ask of AWS (JWKS, DynamoDB, and the registration API that the bridge names) goes through a relay too,
for which their settings are changed.
"""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit

from benchmarks.faults import System, start_again
from benchmarks.relay import relaying
from mcp_demo.deploy.files import write_private
from mcp_demo.local import children
from mcp_demo.local.ministack import free_port
from mcp_demo.local.stack import Processes
from mcp_demo.local.state import Run

_MOVED = ("domain", "server", "bridge")
_ASK_AWS = ("server", "bridge", "downstream")


@asynccontextmanager
async def wired(run: Run, processes: Processes) -> AsyncGenerator[System]:
    """The system with relays in it, for the length of a `with` block."""
    async with AsyncExitStack() as open_relays:
        aws = urlsplit(run.aws).port or 0
        inside = free_port()
        relays = {"aws": await open_relays.enter_async_context(relaying(inside, aws))}
        chosen = [child for child in processes.parts if child.part.name in {*_MOVED, *_ASK_AWS}]
        await asyncio.to_thread(children.stop, chosen)
        for child in chosen:
            name, outside = child.part.name, child.part.port
            if name in _ASK_AWS:
                env = run.state / "env" / f"{name}.env"
                changed = re.sub(rf"(localhost|127\.0\.0\.1):{aws}\b", rf"\1:{inside}", env.read_text(encoding="utf-8"))
                write_private(env, changed)
            if name in _MOVED:
                child.part = replace(child.part, port=free_port())
                relays[name] = await open_relays.enter_async_context(relaying(outside, child.part.port))
        await asyncio.to_thread(start_again, chosen)
        yield System(run, processes, relays)
