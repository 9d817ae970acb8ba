"""One protocol version a request, said in one voice by header and body (MCP 2026-07-28 Streamable HTTP)."""

from typing import Any, cast

from mcp_types import HEADER_MISMATCH, PROTOCOL_VERSION_META_KEY, UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from pydantic_core import from_json
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_demo.server import answers
from mcp_demo.server.answers import Answer, json_answer
from mcp_demo.server.body import MESSAGE, read_body, replay
from mcp_demo.server.credentials import values


class ProtocolVersion:
    """ASGI middleware for what the SDK leaves open between its two eras.

    The SDK compares header and body of a 2026-07-28 request. It chooses the era by the header alone, though, so a body
    of the new era with an old header, or none, would be served by the rules of the old one. And a version nobody knows
    is answered here with the list of those we speak, whatever the body looks like.

    Spec: MCP 2026-07-28 Streamable HTTP › Protocol Version Header and Server Validation.

    Args:
        app: The SDK's endpoint.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = values(scope["headers"], b"mcp-protocol-version")
        if len(headers) == 1 and headers[0] in MODERN_PROTOCOL_VERSIONS:
            # The SDK (mcp 2.3) crashes where it decodes an encoded name that is not ASCII.
            if all(value.isascii() for name, value in scope["headers"] if name == b"mcp-name"):
                await self._app(scope, receive, send)
            else:
                await _error({}, HEADER_MISMATCH, "Mcp-Name is not ASCII.").send(send)
            return
        body = await read_body(receive)
        if body is None:
            await answers.TOO_LARGE.send(send)
            return
        message = _message(body)
        refusal = _refusal(headers, message)
        if refusal is not None:
            await refusal.send(send)
        else:
            await self._app({**scope, MESSAGE: message} if message else scope, replay(body, receive), send)


def _refusal(headers: list[str], message: dict[str, Any]) -> Answer | None:
    if len(headers) > 1:
        return _error(message, HEADER_MISMATCH, "MCP-Protocol-Version is given more than once.")
    if headers and headers[0] not in KNOWN_PROTOCOL_VERSIONS:
        data = {"supported": list(KNOWN_PROTOCOL_VERSIONS), "requested": headers[0]}
        return _error(message, UNSUPPORTED_PROTOCOL_VERSION, "Unsupported protocol version", data)
    params: object = message.get("params")
    meta: object = cast("dict[str, Any]", params).get("_meta") if isinstance(params, dict) else None
    if isinstance(meta, dict) and PROTOCOL_VERSION_META_KEY in meta:
        # Only the new era says its version in the body, and it requires the same in the header.
        return _error(message, HEADER_MISMATCH, "MCP-Protocol-Version does not match the version in the body.")
    return None


def _message(body: bytes) -> dict[str, Any]:
    """The body as the SDK reads it in the handshake era; nothing where it is no object, which the SDK refuses."""
    try:
        message: object = from_json(body)
    except ValueError:
        return {}
    return cast("dict[str, Any]", message) if isinstance(message, dict) else {}


def _error(message: dict[str, Any], code: int, words: str, data: object = None) -> Answer:
    identifier: object = message.get("id")
    error: dict[str, object] = {"code": code, "message": words} | ({} if data is None else {"data": data})
    shown = identifier if isinstance(identifier, str | int) else None
    return json_answer(400, {"jsonrpc": "2.0", "id": shown, "error": error})
