"""JSON-RPC requests as each revision of MCP wants them sent (MCP Streamable HTTP)."""

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from mcp_demo.exchange.model import Headers, Request

MODERN_SINCE: Final = "2026-07-28"
"""From here on there is no handshake: each request says all by itself, in headers and in `_meta`."""

_ACCEPT: Final = ("accept", "application/json, text/event-stream")
_JSON = ("content-type", "application/json")
_CLIENT = {"name": "mcp-conformance", "version": "1"}


def is_modern(revision: str) -> bool:
    """Whether a revision works without a handshake."""
    return revision >= MODERN_SINCE


def request(
    url: str,
    revision: str,
    method: str,
    params: Mapping[str, Any] | None = None,
    *,
    extra: Headers = (),
    without: tuple[str, ...] = (),
) -> Request:
    """A POST with one JSON-RPC request.

    Args:
        url: The MCP endpoint.
        revision: The revision to speak.
        method: The JSON-RPC method.
        params: Its parameters.
        extra: Further header fields.
        without: Header fields to leave out, in lower case.
    """
    members = dict(params or {})
    headers: list[tuple[str, str]] = [_ACCEPT, _JSON]
    if is_modern(revision):
        members["_meta"] = _meta(revision)
        headers += [("mcp-protocol-version", revision), ("mcp-method", method)]
        name = members.get("name")
        headers += [("mcp-name", name)] if isinstance(name, str) else []
    elif method != "initialize":
        headers.append(("mcp-protocol-version", revision))
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": members}
    kept = tuple(field for field in headers if field[0] not in without)
    return Request("POST", url, (*kept, *extra), json.dumps(message).encode())


def first_request(url: str, revision: str, *, extra: Headers = (), without: tuple[str, ...] = ()) -> Request:
    """The request that a client begins with: `initialize`, or, where there is no handshake, `tools/list`."""
    if is_modern(revision):
        return request(url, revision, "tools/list", extra=extra, without=without)
    params = {"protocolVersion": revision, "capabilities": {}, "clientInfo": _CLIENT}
    return request(url, revision, "initialize", params, extra=extra, without=without)


def initialized(url: str, revision: str, extra: Headers) -> Request:
    """The notification that ends the handshake."""
    body = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    headers = (_ACCEPT, _JSON, ("mcp-protocol-version", revision), *extra)
    return Request("POST", url, headers, json.dumps(body).encode())


def result(body: bytes) -> Mapping[str, Any] | None:
    """The `result` of the JSON-RPC response in a body, be it JSON or an event stream; None if there is none."""
    return _member(body, "result")


def error(body: bytes) -> Mapping[str, Any] | None:
    """The `error` of the JSON-RPC response in a body; None if there is none."""
    return _member(body, "error")


def method(body: bytes) -> str | None:
    """The method that a JSON-RPC request names."""
    try:
        message: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    named: Any = cast("dict[str, Any]", message).get("method") if isinstance(message, dict) else None
    return named if isinstance(named, str) else None


def _member(body: bytes, name: str) -> Mapping[str, Any] | None:
    for text in (body.decode("utf-8", "replace"), *_events(body)):
        try:
            message: Any = json.loads(text)
        except (ValueError, RecursionError):
            continue
        members = cast("dict[str, Any]", message) if isinstance(message, dict) else {}
        if isinstance(members.get(name), dict):
            return members[name]
    return None


def _events(body: bytes) -> list[str]:
    lines = body.decode("utf-8", "replace").splitlines()
    return [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]


def _meta(revision: str) -> dict[str, Any]:
    return {
        "io.modelcontextprotocol/protocolVersion": revision,
        "io.modelcontextprotocol/clientInfo": _CLIENT,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
