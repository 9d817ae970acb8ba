"""A relay between two processes: every request is passed on as it is, except those that a fault is meant for.

It stands where a network, a load balancer or API Gateway stands. Requests are read up to the end of their headers, to
tell them apart; nothing is changed, nothing repeated, and a connection that one side cuts is cut on the other.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

HOST = "127.0.0.1"
_CHUNK = 65_536
_LIMIT = 1 << 20
_IDLE = 3.0  # seconds; what is behind closes after five


@dataclass(frozen=True, slots=True)
class Head:
    """What tells one request from another."""

    method: str
    path: str
    headers: Mapping[str, str]


Answers = tuple[tuple[str, bytes], ...]
"""Answers as bytes, each with a name."""


@dataclass
class Rule:
    """Which requests do not arrive, and what is answered instead.

    Args:
        matches: Whether it is meant for a request.
        answers: The answers of the first request, the second and so on in turn; none: no answer at all.
        made: What was answered, and how often.
    """

    matches: Callable[[Head], bool]
    answers: Answers = ()
    made: Counter[str] = field(default_factory=Counter[str])
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self) -> bytes:
        """What comes back; nothing, once the fault is over."""
        if not self.answers:
            self.made["not answered"] += 1
            await self.over.wait()
            return b""
        name, said = self.answers[self.made.total() % len(self.answers)]
        self.made[name] += 1
        return said


@dataclass
class Relay:
    """One address in front of another.

    Args:
        behind: The port that requests go on to.
        rules: What does not arrive.
        documents: When each well-known document was asked for last.
    """

    behind: int
    rules: list[Rule] = field(default_factory=list[Rule])
    documents: dict[str, float] = field(default_factory=dict[str, float])
    connections: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    @contextmanager
    def by(self, rule: Rule) -> Generator[Rule]:
        """Apply a rule for the length of a `with` block."""
        self.rules.append(rule)
        try:
            yield rule
        finally:
            self.rules.remove(rule)
            rule.over.set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection."""
        task = asyncio.ensure_future(self._carry(reader, writer))
        self.connections.add(task)
        task.add_done_callback(self.connections.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward = _Onward()
        try:
            while True:
                raw = await reader.readuntil(b"\r\n\r\n")
                head = _head(raw)
                if "/.well-known/" in head.path:
                    self.documents[head.path.rpartition("/")[2]] = time.monotonic()
                rule = next((rule for rule in self.rules if rule.matches(head)), None)
                if rule is not None:
                    await _copy(reader, None, _length(head))
                    if not (said := await rule.answer()):
                        return
                    writer.write(said)
                    await writer.drain()
                    continue
                there, back = await onward.opened(self.behind)
                back.write(raw)
                await _copy(reader, back, _length(head))
                if not await _answered(there, writer, head.method):
                    return
                onward.since = time.monotonic()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # cut on one side, or refused: cut on the other
        finally:
            onward.close()
            writer.close()


@dataclass
class _Onward:
    """The connection to what is behind. It is not used any more when it may be about to be closed for being idle."""

    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    since: float = 0.0

    async def opened(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.streams is None or time.monotonic() - self.since > _IDLE or self.streams[0].at_eof():
            self.close()
            self.streams = await asyncio.open_connection(HOST, port, limit=_LIMIT)
        return self.streams

    def close(self) -> None:
        if self.streams is not None:
            self.streams[1].close()


@asynccontextmanager
async def relaying(port: int, behind: int) -> AsyncGenerator[Relay]:
    """A relay on a port of this machine."""
    relay = Relay(behind)
    server = await asyncio.start_server(relay.accept, HOST, port, limit=_LIMIT, backlog=512)
    try:
        yield relay
    finally:
        server.close()
        for task in relay.connections:
            task.cancel()
        await asyncio.gather(*relay.connections, return_exceptions=True)


def answer(status: str, body: bytes, content_type: str = "application/json", **headers: str) -> bytes:
    """An answer as bytes; `status` with its reason, underscores in header names for hyphens."""
    fields = {"content-type": content_type, "content-length": str(len(body))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _head(raw: bytes) -> Head:
    first, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, _, rest = first.partition(" ")
    fields = (line.partition(":") for line in lines)
    return Head(method, rest.partition(" ")[0], {name.lower(): value.strip() for name, _, value in fields})


async def _answered(there: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str) -> bool:
    """Carry one answer back; whether another may follow it (RFC 9112 §6.3)."""
    status = 100
    head = Head("", "", {})
    while status < 200:
        raw = await there.readuntil(b"\r\n\r\n")
        head, status = _head(raw), int(raw.split(b" ", 2)[1])
        writer.write(raw)
    if method == "HEAD" or status in (204, 304):
        await writer.drain()
    elif head.headers.get("transfer-encoding") == "chunked":
        size = 1
        while size:
            line = await there.readuntil(b"\r\n")
            size = int(line.partition(b";")[0], 16)
            writer.write(line)
            await _copy(there, writer, size + 2)
    elif "content-length" in head.headers:
        await _copy(there, writer, _length(head))
    else:
        while data := await there.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        return False
    return head.headers.get("connection", "").lower() != "close"


def _length(head: Head) -> int:
    """The length of a body. All callers here say it beforehand."""
    return int(head.headers.get("content-length", "0"))


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter | None, left: int) -> None:
    """Take so many bytes, and pass them on if they are to arrive."""
    while left:
        data = await source.readexactly(min(left, _CHUNK))
        left -= len(data)
        if target is not None:
            target.write(data)
            await target.drain()
