"""One line of JSON in the log for each request: what was asked, what became of it, and no secret.

Queries, headers and bodies carry codes, states and tokens, so none of them is written. The request id is API Gateway's;
it stands in the response too, so that a person who reports an error can name it.
"""

import json
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_demo.oauth import challenge


def logged(app: ASGIApp, part: str) -> ASGIApp:
    """The application, with a line in the log for each request."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        request_id = request_id_of(scope.get("aws.event") or {})
        line: dict[str, object] = {"event": "request", "part": part, "request_id": request_id}
        line |= {"method": scope["method"], "path": scope["path"], "status": 500}

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                line["status"] = message["status"]
                line.update(_refusal(message.get("headers", ())))
                message = {**message, "headers": [*message["headers"], (b"x-request-id", request_id.encode())]}
            await send(message)

        try:
            await app(scope, receive, answer)
        finally:
            line["milliseconds"] = round((time.monotonic() - started) * 1000, 1)
            sys.stdout.write(json.dumps(line, ensure_ascii=True) + "\n")

    return wrapped


def request_id_of(event: Mapping[str, Any]) -> str:
    """API Gateway's id of a request."""
    return str(event.get("requestContext", {}).get("requestId", ""))


def _refusal(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The error code of a challenge: it is ours, and says which rule a token broke only in kind (RFC 6750 §3.1)."""
    for name, value in headers:
        if name.lower() == b"www-authenticate":
            for found in challenge.parse([value.decode("latin-1")]):
                if error := found.parameters.get("error"):
                    return {"error": error}
    return {}
