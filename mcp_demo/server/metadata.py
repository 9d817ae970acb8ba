"""The documents anybody may read: the Protected Resource Metadata and the health of the server (RFC 9728 §3)."""

import json

from starlette.types import Receive, Scope, Send

from mcp_demo.oauth.resource_metadata import ResourceMetadata
from mcp_demo.server.answers import Answer, error


class Document:
    """An ASGI app that serves one unchanging JSON document to everybody, pages of any origin included.

    Args:
        content: The document.
        cache: Its Cache-Control.
    """

    def __init__(self, content: dict[str, object], cache: str) -> None:
        body = json.dumps(content, separators=(",", ":")).encode()
        open_to_all = ((b"access-control-allow-origin", b"*"),)
        self._document = Answer(
            200,
            (
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"cache-control", cache.encode()),
                *open_to_all,
            ),
            body,
        )
        self._preflight = Answer(
            204,
            (
                *open_to_all,
                (b"access-control-allow-methods", b"GET, HEAD"),
                # A preflight asks for Authorization when a client sends its headers everywhere: let it, it is ignored.
                (b"access-control-allow-headers", b"authorization, content-type, accept, mcp-protocol-version"),
                (b"access-control-max-age", b"7200"),
            ),
        )
        self._refusal = error(
            405,
            "method_not_allowed",
            "This document can only be read.",
            [("allow", "GET, HEAD, OPTIONS"), ("access-control-allow-origin", "*")],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        answers = {"GET": self._document, "HEAD": self._document, "OPTIONS": self._preflight}
        await answers.get(scope["method"], self._refusal).send(send, head=scope["method"] == "HEAD")


def resource_document(
    resource: str, authorization_servers: tuple[str, ...], basic_scopes: tuple[str, ...]
) -> dict[str, object]:
    """The metadata of this server. It lists the basic scopes only: the others are asked for when they are needed.

    Spec: RFC 9728 §2, MCP 2026-07-28 Authorization › Scope Selection Strategy (minimal `scopes_supported`).
    """
    return ResourceMetadata(
        resource=resource,
        authorization_servers=authorization_servers,
        scopes_supported=basic_scopes,
        bearer_methods_supported=("header",),
        resource_name="MCP demo server",
    ).as_dict()
