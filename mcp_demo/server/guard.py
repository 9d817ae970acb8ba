"""The outer door: which Host and Origin may talk to the MCP endpoint, and CORS (MCP Streamable HTTP › Security)."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_demo.oauth.resource import is_loopback_host
from mcp_demo.server.answers import Answer, error
from mcp_demo.server.credentials import fields_of

_FORBIDDEN_ORIGIN = error(403, "forbidden_origin", "Pages of this origin may not call this server.")
_MISDIRECTED = error(421, "misdirected_request", "This server does not answer for this Host.")

_ALLOWED_HEADERS = (
    b"authorization, content-type, accept, mcp-protocol-version, mcp-method, mcp-name, mcp-session-id, last-event-id"
)


class Guard:
    """ASGI middleware that refuses foreign hosts and origins and answers preflights, without asking for a token.

    Requests without an Origin come from programs, not from pages, and pass. A page's origin has to be the server's own
    or one from the settings; anything else, `null` included, is refused with 403. Credentials mode is never allowed,
    since tokens travel in a header, not in cookies.

    Args:
        app: What is guarded.
        resource: The canonical URI of the server: its host and its origin are allowed.
        origins: Further origins.
        hosts: Further values of Host, for a server behind a proxy that does not keep it.
    """

    def __init__(self, app: ASGIApp, resource: str, origins: Iterable[str], hosts: Iterable[str]) -> None:
        parts = urlsplit(resource)
        self._app = app
        allowed = {f"{parts.scheme}://{parts.netloc}", *origins}
        self._origins = frozenset(origin.encode() for origin in allowed)
        self._hosts = frozenset(host.lower().encode() for host in {*_host_names(resource), *hosts})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; anything but HTTP is closed."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        fields = fields_of(scope["headers"])
        origin = fields.get(b"origin")
        if fields.get(b"host", b"").lower() not in self._hosts:
            await _MISDIRECTED.send(send, head=scope["method"] == "HEAD")
        elif origin is None:
            await self._app(scope, receive, send)
        elif origin not in self._origins:
            await _FORBIDDEN_ORIGIN.send(send, head=scope["method"] == "HEAD")
        elif scope["method"] == "OPTIONS" and b"access-control-request-method" in fields:
            await _preflight(origin).send(send)
        else:
            await self._app(scope, receive, _readable_for(origin, send))


def _preflight(origin: bytes) -> Answer:
    """The answer to a preflight (Fetch Standard). A wildcard would not cover Authorization, so headers are listed."""
    return Answer(
        204,
        (
            (b"access-control-allow-origin", origin),
            # GET and DELETE are answered 405: browser clients of the handshake revisions want to see that.
            (b"access-control-allow-methods", b"POST, GET, DELETE"),
            (b"access-control-allow-headers", _ALLOWED_HEADERS),
            (b"access-control-max-age", b"7200"),
            (b"vary", b"origin"),
        ),
    )


def _readable_for(origin: bytes, send: Send) -> Send:
    """A `send` that lets pages of this origin read the response and its challenge."""
    extra = [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", b"WWW-Authenticate, Retry-After"),
        (b"vary", b"origin"),
    ]

    async def send_with_cors(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *extra]}
        await send(message)

    return send_with_cors


def _host_names(resource: str) -> set[str]:
    """How clients spell the server's own Host; on loopback also by its other names, which no stranger can rebind."""
    parts = urlsplit(resource)
    names = {parts.netloc.lower()}
    if is_loopback_host(parts.hostname):
        port = f":{parts.port}" if parts.port else ""
        names |= {f"{name}{port}" for name in ("localhost", "127.0.0.1", "[::1]")}
    return names
