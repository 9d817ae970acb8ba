"""The fastest that this uvicorn can be: an ASGI app that sends our challenge without a look at the request."""

from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_demo.server.answers import Challenges
from mcp_demo.server.operations import Operations
from mcp_demo.settings import ServerSettings


def create_app() -> ASGIApp:
    """The app."""
    resource = ServerSettings.load().mcp_url
    answer = Challenges(resource, Operations(resource)).no_credentials
    start = {"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)}
    body = {"type": "http.response.body", "body": answer.body}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send(start)
            await send(body)

    return app
