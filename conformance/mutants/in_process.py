"""An ASGI app called directly: as fast as its code, so that every planted bug can be judged by every check."""

import asyncio
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import httpx
from starlette.types import ASGIApp, Message


class InProcess(httpx.BaseTransport):
    """Calls ASGI apps by their port, in this thread, on an event loop of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._apps: dict[int, ASGIApp] = {}
        self._next = 50001
        self._passed = 0.0

    def time(self) -> float:
        """Seconds since the epoch, as this little network counts them."""
        return time.time() + self._passed

    def sleep(self, seconds: float) -> None:
        """Let time pass for whoever asks for it here, at once."""
        self._passed += seconds

    @contextmanager
    def port(self) -> Generator[int]:
        """A port of this little network."""
        self._next += 1
        yield self._next

    @contextmanager
    def serving(self, port: int, app: ASGIApp) -> Generator[None]:
        """Let an app live, and answer at a port that nobody else sees."""
        ended = asyncio.Event()
        ready = asyncio.Event()
        life = self._loop.create_task(_live(app, ready, ended))
        self._loop.run_until_complete(_first(ready, life))
        self._apps[port] = app
        try:
            yield
        finally:
            del self._apps[port]
            ended.set()
            self._loop.run_until_complete(life)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Call the app; a crash is what a server makes of it, a 500."""
        app = self._apps.get(request.url.port or 0)
        if app is None:
            raise httpx.ConnectError("connection refused", request=request)
        return self._loop.run_until_complete(_call(app, request))

    def end(self) -> None:
        """End the loop, once what was closed on it is."""
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()


async def _first(ready: asyncio.Event, life: "asyncio.Task[None]") -> None:
    started = asyncio.ensure_future(ready.wait())
    await asyncio.wait({started, life}, return_when=asyncio.FIRST_COMPLETED)
    if life.done():
        life.result()


async def _live(app: ASGIApp, ready: asyncio.Event, ended: asyncio.Event) -> None:
    begun = False

    async def receive() -> Message:
        nonlocal begun
        if begun:
            await ended.wait()
            return {"type": "lifespan.shutdown"}
        begun = True
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        if message["type"] == "lifespan.startup.complete":
            ready.set()

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)


async def _call(app: ASGIApp, request: httpx.Request) -> httpx.Response:
    start: dict[str, Any] = {}
    body = bytearray()
    done = asyncio.Event()
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            await done.wait()
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": request.content, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        elif message["type"] == "http.response.body":
            body.extend(message.get("body", b""))
            if not message.get("more_body", False):
                done.set()

    try:
        await app(_scope(request), receive, send)
    except Exception:
        return httpx.Response(500, text="Internal Server Error")
    return httpx.Response(start["status"], headers=start.get("headers", []), content=bytes(body))


def _scope(request: httpx.Request) -> dict[str, Any]:
    raw_path, _, query = request.url.raw_path.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": raw_path,
        "root_path": "",
        "query_string": query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 1),
        "server": (request.url.host, request.url.port),
        "state": {},
    }
