"""One protocol version a request, said in one voice by header and body (MCP 2026-07-28 Streamable HTTP)."""

from typing import Any, Final, cast

from mcp_types import HEADER_MISMATCH, PROTOCOL_VERSION_META_KEY, UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_demo.server import answers
from mcp_demo.server.answers import Answer, json_answer
from mcp_demo.server.body import MESSAGE, message_of, read_body, replay
from mcp_demo.server.credentials import REPEATED, Fields, fields_of

_KNOWN: Final = frozenset(version.encode() for version in KNOWN_PROTOCOL_VERSIONS)
_MODERN: Final = frozenset(version.encode() for version in MODERN_PROTOCOL_VERSIONS)


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
        fields = fields_of(scope["headers"])
        if is_modern(fields):
            # The SDK (mcp 2.3) crashes where it decodes an encoded name that is not ASCII.
            if fields.get(b"mcp-name", b"").isascii():
                await self._app(scope, receive, send)
            else:
                await _error({}, HEADER_MISMATCH, "Mcp-Name is not ASCII.").send(send)
            return
        if MESSAGE not in scope:
            body = await read_body(receive)
            if body is None:
                await answers.TOO_LARGE.send(send)
                return
            scope = {**scope, MESSAGE: message_of(body, handshake=True)}
            receive = replay(body, receive)
        refusal = _refusal(fields, scope[MESSAGE])
        if refusal is not None:
            await refusal.send(send)
        else:
            await self._app(scope, receive, send)


def is_modern(fields: Fields) -> bool:
    """Whether the SDK serves a request by the rules that began with 2026-07-28."""
    return fields.get(b"mcp-protocol-version") in _MODERN


def _refusal(fields: Fields, message: dict[str, Any]) -> Answer | None:
    version = fields.get(b"mcp-protocol-version")
    if version == REPEATED:
        return _error(message, HEADER_MISMATCH, "MCP-Protocol-Version is given more than once.")
    if version is not None and version not in _KNOWN:
        data = {"supported": list(KNOWN_PROTOCOL_VERSIONS), "requested": version.decode("latin-1")}
        return _error(message, UNSUPPORTED_PROTOCOL_VERSION, "Unsupported protocol version", data)
    params: object = message.get("params")
    meta: object = cast("dict[str, Any]", params).get("_meta") if isinstance(params, dict) else None
    if isinstance(meta, dict) and PROTOCOL_VERSION_META_KEY in meta:
        # Only the new era says its version in the body, and it requires the same in the header.
        return _error(message, HEADER_MISMATCH, "MCP-Protocol-Version does not match the version in the body.")
    return None


def _error(message: dict[str, Any], code: int, words: str, data: object = None) -> Answer:
    identifier: object = message.get("id")
    error: dict[str, object] = {"code": code, "message": words} | ({} if data is None else {"data": data})
    shown = identifier if isinstance(identifier, str | int) else None
    return json_answer(400, {"jsonrpc": "2.0", "id": shown, "error": error})
