"""Our MCP endpoint with authorization off: all else as in `mcp_demo.server.app`, and everybody is one person."""

from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.issuer import ISSUER, RESOURCE, SUBJECT
from mcp_demo.oauth.access_token import AccessToken
from mcp_demo.server import app as server
from mcp_demo.server.authorization import CALLER

_SOMEBODY = AccessToken(ISSUER, SUBJECT, "1example23456789abcdefghij", "demo", (f"{RESOURCE}/read",), 4_000_000_000)


class _Open:
    """Stands where the authorization layer stands, and lets everybody in."""

    def __init__(self, app: ASGIApp, *_: object) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, CALLER: _SOMEBODY}, receive, send)


def create_app() -> ASGIApp:
    """The app."""
    server.Authorization = _Open  # pyright: ignore[reportAttributeAccessIssue]
    return server.create_app()
