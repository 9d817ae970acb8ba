"""The host of an HTTP API on this machine: passes every request on to the embedded AWS, as it is.

An API has a host of its own on AWS, and well-known addresses lie at its root. The embedded AWS serves all APIs under
one host, each below a path. This puts one of them at the root of a port.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from urllib.parse import quote

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mcp_demo.settings import GatewaySettings

RawHeaders = Iterable[tuple[bytes, bytes]]

_HOP_BY_HOP = frozenset((b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"))
_OURS = _HOP_BY_HOP | {b"content-length", b"date", b"server"}
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_API_GATEWAY_SECONDS = dict.fromkeys(("connect", "read", "write", "pool"), 30.0)
_AT_ONCE = 2
"""Requests under way, so instances of the function. Each takes a process, and a second of a core that all share: eight
that start at once on two busy cores were measured to take half a minute. Others wait, as on AWS they never do."""
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


def create_app(settings: GatewaySettings | None = None) -> Starlette:
    """The host of one API."""
    settings = settings or GatewaySettings.load()
    api = httpx.URL(settings.api)
    # Not a client: that would add headers, decode bodies, and give one caller's cookies to the next.
    transport = httpx.AsyncHTTPTransport()
    turn = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        async with transport:
            yield

    async def forward(request: Request) -> Response:
        body = await request.body()  # before the turn: who sends slowly holds up nobody
        passed = _passed_on(request, api, body)
        try:
            async with turn:
                answer = await transport.handle_async_request(passed)
                content = b"".join([part async for part in answer.aiter_raw()])
                await answer.aclose()
        except httpx.HTTPError:
            return Response('{"message":"Service Unavailable"}', 503, media_type="application/json")
        response = Response(content, answer.status_code)
        length = answer.headers.get("content-length") if request.method == "HEAD" else None
        response.raw_headers = [
            *_kept(answer.headers.raw),
            (b"content-length", (length or str(len(content))).encode()),
        ]
        return response

    return Starlette(routes=[Route("/{path:path}", forward, methods=list(_METHODS))], lifespan=lifespan)


def _passed_on(request: Request, api: httpx.URL, body: bytes) -> httpx.Request:
    """The same request to the embedded AWS, with its path as it came: dots in it stay, and lead out of nothing."""
    path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    target = api.raw_path.rstrip(b"/") + path + (b"?" + query if query else b"")
    extensions = {"target": quote(target, _PRINTABLE).encode(), "timeout": _API_GATEWAY_SECONDS}
    headers = _kept(request.headers.raw)
    return httpx.Request(request.method, api, headers=headers, content=body, extensions=extensions)


def _kept(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """The headers that are for the other end (RFC 9110 section 7.6.1)."""
    fields = [(name.lower(), value) for name, value in headers]
    named = {option.strip().lower() for name, value in fields if name == b"connection" for option in value.split(b",")}
    return [field for field in fields if field[0] not in _OURS | named]
