"""A FastAPI service that calls an MCP server on behalf of whoever uses it: one grant for each browser session."""

import os
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from mcp_demo.client import mcp
from mcp_demo.client.drive import drive
from mcp_demo.client.engine import Engine
from mcp_demo.client.errors import SignInNeeded
from mcp_demo.client.pending import PendingAuthorization
from mcp_demo.client.registration import Identity
from mcp_demo.client.storage import MemoryStore, Vault
from mcp_demo.client.transport import open_async
from mcp_demo.web.sessions import Session, Sessions

MCP_URL = os.environ.get("MCP_URL", "http://localhost:3001/mcp")
BASE = os.environ.get("BASE_URL", "http://localhost:3000")

app = FastAPI()
sessions = Sessions("example-service", secure=BASE.startswith("https:"))
registrations = MemoryStore()
http = open_async(MCP_URL)


def engine_of(session: Session) -> Engine:
    """The engine of one person; registrations are the service's own and shared."""
    if "engine" not in session.data:
        identity = Identity("Example service", client_id=os.environ.get("CLIENT_ID"))
        vault = Vault(MemoryStore(), registrations)
        session.data["engine"] = Engine(MCP_URL, identity, f"{BASE}/callback", vault)
    return session.data["engine"]


@app.get("/")
async def whoami(request: Request) -> Response:
    """What the MCP server says about the person at the browser."""
    cookie = Response()
    session = sessions.find(request) or sessions.start(cookie)
    try:
        answer = await drive(engine_of(session).send(mcp.call_tool(MCP_URL, "whoami", {})), http)
        page: Response = JSONResponse(_result(mcp.read(answer)))
    except SignInNeeded as needed:
        session.data["pending"] = needed.pending
        page = RedirectResponse(needed.pending.url, 303)
    if "set-cookie" in cookie.headers:
        page.headers["set-cookie"] = cookie.headers["set-cookie"]
    return page


@app.get("/callback")
async def callback(request: Request) -> Response:
    """The redirect URI."""
    session = sessions.find(request)
    pending: PendingAuthorization | None = session.data.pop("pending", None) if session else None
    if session is None or pending is None:
        return JSONResponse({"error": "No sign-in of this browser waits for an answer."}, 400)
    await drive(engine_of(session).complete(pending, f"{BASE}/callback?{request.url.query}"), http)
    answer = RedirectResponse("/", 303)
    sessions.renew(request, answer)
    return answer


def _result(result: dict[str, Any]) -> Any:
    return result.get("structuredContent") or mcp.text_of(result)
