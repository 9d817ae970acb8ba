"""Reading a request's body ahead of the app that it is meant for."""

import json
from typing import Any, Final, cast

from pydantic_core import from_json
from starlette.types import Message, Receive

MAX_BODY: Final = 1024 * 1024

MESSAGE: Final = "mcp_demo.message"
"""Where the message in the very body that follows lies in the ASGI scope, once somebody here has parsed it."""


async def read_body(receive: Receive) -> bytes | None:
    """The whole body, or None if it is too large. One that breaks off counts as empty (RFC 9112 §8)."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once more, then goes on with the connection."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return pending.pop() if pending else await receive()

    return again


def message_of(body: bytes, *, handshake: bool) -> dict[str, Any]:
    """The JSON object in a body, as the SDK reads it in that era; nothing where it is none, which the SDK refuses.

    Its two eras have a parser each, and what is judged has to be what is then served.
    """
    try:
        message: object = from_json(body) if handshake else json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", message) if isinstance(message, dict) else {}
