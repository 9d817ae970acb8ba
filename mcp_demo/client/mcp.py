"""Raw requests to an MCP server, for the flow panel and the notebooks, where every byte is to be seen.

`call_tool` and `list_tools` are one request each, as of the newest revision; `converse` is whatever it takes with the
revision that client and server share. Scripts use the official SDK instead (`mcp_demo.client.api`).

Spec: MCP 2026-07-28 Streamable HTTP.
"""

import json
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, cast

from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    HEADER_MISMATCH,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    PROTOCOL_VERSION_META_KEY,
    UNSUPPORTED_PROTOCOL_VERSION,
)

import mcp_demo
from mcp_demo.client.errors import CallFailed
from mcp_demo.client.events import Flow, Step
from mcp_demo.client.revision import NEWEST, Revision, knows
from mcp_demo.exchange.model import Request, Response
from mcp_demo.exchange.redact import redact_text

if TYPE_CHECKING:
    from mcp_demo.client.engine import Engine

REVISION = NEWEST
_HANDSHAKE: tuple[Revision, ...] = ("2025-11-25", "2025-06-18")
_OF_THE_NEWEST = (HEADER_MISMATCH, MISSING_REQUIRED_CLIENT_CAPABILITY, UNSUPPORTED_PROTOCOL_VERSION)
_ids = count(1)


def call_tool(server_url: str, tool: str, arguments: Mapping[str, Any]) -> Step:
    """The step that calls a tool."""
    why = f"The client calls the tool {tool}. One POST says all: revision, method and name are headers too."
    return _step(server_url, f"Call {tool}", why, "tools/call", {"name": tool, "arguments": dict(arguments)}, tool)


def list_tools(server_url: str) -> Step:
    """The step that lists the tools."""
    return _step(server_url, "List the tools", "The client asks what the server offers.", "tools/list", {})


def converse(engine: "Engine", step: Step) -> Flow[Response]:
    """Send a request of `call_tool` or `list_tools` in the newest revision that both sides speak.

    A server that does not know the newest one says which it knows, or refuses in a way that the newest does not have;
    then the older ones begin with a handshake, in which the server chooses.

    Spec: MCP 2026-07-28 Versioning › Backward Compatibility; MCP 2025-11-25 Lifecycle › Version Negotiation.

    Raises:
        CallFailed: Client and server share no revision.
    """
    offered = engine.revision
    if knows(offered, "no handshake"):
        response = yield from engine.send(step)
        if not _is_of_before(response):
            return response
        offered = _shared(response)
    opened = yield from engine.send(_opening(engine.server_url, offered))
    chosen = str(read(opened).get("protocolVersion"))
    if chosen not in _HANDSHAKE:
        raise CallFailed(f"The MCP server chose revision {chosen[:40]}, which this client does not speak.")
    session = opened.header("mcp-session-id")
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    yield from engine.send(_of_before(engine.server_url, "Say that the handshake is done", ready, chosen, session))
    asked = json.loads(step.request.body)
    asked["params"].pop("_meta", None)
    return (yield from engine.send(_of_before(engine.server_url, step.name, asked, chosen, session)))


def read(response: Response) -> dict[str, Any]:
    """The result of a JSON-RPC response, sent as JSON or as an event stream.

    Raises:
        CallFailed: It is an error, or no JSON-RPC response at all.
    """
    document = _document(response)
    error = document.get("error")
    if isinstance(error, Mapping):
        message = str(cast("Mapping[str, Any]", error).get("message", "no reason given"))
        raise CallFailed(f"The MCP server refused the call: {redact_text(message)}")
    result = document.get("result")
    if response.status != 200 or not isinstance(result, dict):
        raise CallFailed(f"The MCP server answered {response.status} without a result.")
    members = cast("dict[str, Any]", result)
    if members.get("isError"):
        raise CallFailed(f"The tool failed: {redact_text(text_of(members))}")
    return members


def text_of(result: Mapping[str, Any]) -> str:
    """The text of a tool result."""
    blocks = cast("list[Mapping[str, Any]]", result.get("content") or [])
    return "\n".join(str(block["text"]) for block in blocks if block.get("type") == "text")


def _document(response: Response) -> dict[str, Any]:
    text = response.body.decode("utf-8", "replace")
    if (response.header("content-type") or "").startswith("text/event-stream"):
        lines = [line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:")]
        text = lines[-1] if lines else ""
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}


def _step(
    server_url: str, name: str, why: str, method: str, params: Mapping[str, Any], target: str | None = None
) -> Step:
    meta = {
        PROTOCOL_VERSION_META_KEY: REVISION,
        CLIENT_INFO_META_KEY: {"name": "mcp-demo", "version": mcp_demo.__version__},
        CLIENT_CAPABILITIES_META_KEY: {},
    }
    body = {"jsonrpc": "2.0", "id": next(_ids), "method": method, "params": {**params, "_meta": meta}}
    headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", REVISION),
        ("mcp-method", method),
    ]
    if target is not None:
        headers.append(("mcp-name", target))
    request = Request("POST", server_url, tuple(headers), json.dumps(body).encode())
    return Step(name, why, "MCP 2026-07-28 Streamable HTTP", "client", "MCP server", "access", request)


def _is_of_before(response: Response) -> bool:
    """Whether an answer to a request of the newest revision comes from a server that does not know it."""
    if response.status not in (400, 404, 405):
        return False
    error = _document(response).get("error")
    code = cast("Mapping[str, Any]", error).get("code") if isinstance(error, Mapping) else None
    return code not in _OF_THE_NEWEST or code == UNSUPPORTED_PROTOCOL_VERSION


def _shared(response: Response) -> Revision:
    """The newest revision to offer in a handshake: of those that the server lists, if it lists any."""
    error = cast("Mapping[str, Any]", _document(response).get("error") or {})
    data = error.get("data")
    if error.get("code") != UNSUPPORTED_PROTOCOL_VERSION or not isinstance(data, Mapping):
        return _HANDSHAKE[0]
    listed = cast("Mapping[str, Any]", data).get("supported") or ()
    for revision in _HANDSHAKE:
        if revision in listed:
            return revision
    raise CallFailed("The MCP server speaks none of the revisions that this client does.")


def _opening(server_url: str, offered: Revision) -> Step:
    """The first request of a handshake."""
    me = {"name": "mcp-demo", "version": mcp_demo.__version__}
    params = {"protocolVersion": offered, "capabilities": {}, "clientInfo": me}
    body = {"jsonrpc": "2.0", "id": next(_ids), "method": "initialize", "params": params}
    return _of_before(server_url, "Shake hands", body, None, None)


def _of_before(server_url: str, name: str, body: Mapping[str, Any], revision: str | None, session: str | None) -> Step:
    """A request of a revision with a handshake: its headers name revision and session, its body neither."""
    headers = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")]
    for header, value in (("mcp-protocol-version", revision), ("mcp-session-id", session)):
        if value is not None:
            headers.append((header, value))
    why = "This server is of a revision in which client and server agree on one first, and then keep a session."
    spec = f"MCP {revision or _HANDSHAKE[0]} Lifecycle"
    request = Request("POST", server_url, tuple(headers), json.dumps(body).encode())
    return Step(name, why, spec, "client", "MCP server", "access", request)
