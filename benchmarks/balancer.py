"""Several processes behind one address: a round-robin proxy of bytes, as a load balancer of layer 4 is.

A connection goes to the next process that takes it. When that one is killed, the connection is cut and nothing is sent
again: that is for the caller to decide.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_CHUNK = 65_536
HOST = "127.0.0.1"


@dataclass
class Balancer:
    """Where connections go. `behind` may change at any time.

    Args:
        behind: The ports of the processes.
    """

    behind: deque[int] = field(default_factory=deque[int])
    connections: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection."""
        task = asyncio.ensure_future(self.handle(reader, writer))
        self.connections.add(task)
        task.add_done_callback(self.connections.discard)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        found = await self._connect()
        if found is not None:
            there, back = found
            await asyncio.gather(_carry(reader, back), _carry(there, writer))
            await _close(back)
        await _close(writer)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in range(len(self.behind)):
            self.behind.rotate(-1)
            with suppress(OSError):
                return await asyncio.open_connection(HOST, self.behind[-1])
        return None


@asynccontextmanager
async def balancing(port: int) -> AsyncGenerator[Balancer]:
    """A balancer on a port of this machine."""
    balancer = Balancer()
    server = await asyncio.start_server(balancer.accept, HOST, port, backlog=2048)
    try:
        yield balancer
    finally:
        server.close()
        for task in balancer.connections:
            task.cancel()
        await asyncio.gather(*balancer.connections, return_exceptions=True)


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(_CHUNK):
            target.write(data)
            await target.drain()
    with suppress(OSError, RuntimeError):
        if target.can_write_eof():
            target.write_eof()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
