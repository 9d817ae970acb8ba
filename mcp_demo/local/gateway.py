"""The host of an HTTP API on this machine: passes every request on to the embedded AWS, as it is.

An API has a host of its own on AWS, and well-known addresses lie at its root. The embedded AWS serves all APIs under
one host, each below a path. This puts one of them at the root of a port.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mcp_demo.settings import GatewaySettings

_HOP_BY_HOP = frozenset((b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"))
_OURS = _HOP_BY_HOP | {b"content-length", b"date", b"server"}
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_API_GATEWAY_SECONDS = 30


def create_app(settings: GatewaySettings | None = None) -> Starlette:
    """The host of one API."""
    settings = settings or GatewaySettings.load()
    client = httpx.AsyncClient(timeout=_API_GATEWAY_SECONDS, trust_env=False)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        async with client:
            yield

    async def forward(request: Request) -> Response:
        path: bytes = request.scope["raw_path"]
        query: bytes = request.scope["query_string"]
        url = f"{settings.api}{path.decode('ascii')}" + (f"?{query.decode('latin-1')}" if query else "")
        headers = [pair for pair in request.headers.raw if pair[0] not in _OURS]
        try:
            answer = await client.request(request.method, url, headers=headers, content=await request.body())
        except httpx.HTTPError:
            return Response('{"message":"Service Unavailable"}', 503, media_type="application/json")
        response = Response(answer.content, answer.status_code)
        response.raw_headers = [
            *((name.lower(), value) for name, value in answer.headers.raw if name.lower() not in _OURS),
            (b"content-length", str(len(answer.content)).encode()),
        ]
        return response

    return Starlette(routes=[Route("/{path:path}", forward, methods=list(_METHODS))], lifespan=lifespan)
