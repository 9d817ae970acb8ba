"""Raw requests to an MCP server, for the flow panel and the notebooks, where every byte is to be seen.

Scripts use the official SDK instead (`mcp_demo.client.api`).

Spec: MCP 2026-07-28 Streamable HTTP.
"""

import json
from collections.abc import Mapping
from itertools import count
from typing import Any, cast

from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY

import mcp_demo
from mcp_demo.client.errors import CallFailed
from mcp_demo.client.events import Step
from mcp_demo.exchange.model import Request, Response
from mcp_demo.exchange.redact import redact_text

REVISION = "2026-07-28"
_ids = count(1)


def call_tool(server_url: str, tool: str, arguments: Mapping[str, Any]) -> Step:
    """The step that calls a tool."""
    why = f"The client calls the tool {tool}. One POST says all: revision, method and name are headers too."
    return _step(server_url, f"Call {tool}", why, "tools/call", {"name": tool, "arguments": dict(arguments)}, tool)


def list_tools(server_url: str) -> Step:
    """The step that lists the tools."""
    return _step(server_url, "List the tools", "The client asks what the server offers.", "tools/list", {})


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
