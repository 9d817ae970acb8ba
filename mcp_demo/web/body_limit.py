"""How large a request may be: a form that nobody ever shows would otherwise be kept, in memory or on disk."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """ASGI middleware that refuses bodies over a limit, by what they say of their length and by what arrives.

    Spec: RFC 9110 §15.5.14 (413 Content Too Large).

    Args:
        app: What is behind it.
        most: How many bytes a body may have.
    """

    def __init__(self, app: ASGIApp, most: int = 64 * 1024) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > self._most:
            await PlainTextResponse("The request is too large.\n", status_code=413)(scope, receive, send)
            return
        arrived = 0

        async def counted() -> Message:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > self._most:
                raise HTTPException(413, "The request is too large.")
            return message

        await self._app(scope, counted, send)
