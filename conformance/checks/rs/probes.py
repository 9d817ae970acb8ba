"""Requests that several checks look at: refused tokens, and ways around the door."""

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from conformance import mcp_message
from conformance.issuer import by_hand
from conformance.views.resource_server import ResourceServer
from mcp_demo.exchange.model import Exchange, Request

_ALL_REQUESTS = "MCP 2026-07-28 Security Considerations › Access Token Privilege Restriction"


def unsigned(server: ResourceServer, algorithm: str = "none", signature: bytes = b"") -> str:
    """A token that says all the right things and is signed by nobody."""
    issuer = server.target.issuer
    now = int(time.time())
    claims = {
        "iss": issuer.issuer if issuer else server.target.url,
        "aud": server.target.url,
        "sub": "conformance",
        "client_id": "conformance",
        "token_use": "access",
        "scope": " ".join(issuer.scopes) if issuer else "",
        "iat": now,
        "exp": now + 300,
    }
    header = {"alg": algorithm, "typ": "JWT", "kid": issuer.key.kid if issuer else "1"}
    return by_hand(header, json.dumps(claims).encode(), lambda _: signature)


def rejected(server: ResourceServer) -> Iterator[Exchange]:
    """Tokens that no server may accept, each refused for another reason."""
    yield server.garbage
    yield server.present(
        unsigned(server),
        "Request with an unsigned token",
        "A token that anybody can write is not a token.",
        "RFC 8725 §3.2",
    )
    if server.target.issuer is not None:
        yield expired(server)


def expired(server: ResourceServer, age: int = 600) -> Exchange:
    """A token that was good once. Only with a test issuer."""
    assert server.target.issuer is not None  # noqa: S101 - the caller has asked
    now = int(server.target.issuer.clock())
    token = server.target.issuer.token(iat=now - age - 300, exp=now - age)
    return server.present(
        token,
        f"Request with a token that expired {age} s ago",
        "Expiry is what limits the damage of a stolen token.",
        "RFC 7519 §4.1.4",
    )


def refusals(server: ResourceServer) -> Iterator[Exchange]:
    """Every kind of refusal that carries a challenge and can be had without a valid token."""
    yield server.anonymous
    yield from rejected(server)


def ways_in(server: ResourceServer) -> Iterator[Exchange]:
    """Requests without a token that a gap in the door would let through."""
    yield server.anonymous
    for method, params in (("ping", None), ("tools/list", None), ("resources/list", None), ("prompts/list", None)):
        yield _way(server, mcp_message.request(server.target.url, server.target.revision, method, params), method)
    call: dict[str, Any] = {"name": _canary(server), "arguments": {}}
    yield _way(server, mcp_message.request(server.target.url, server.target.revision, "tools/call", call), "tools/call")
    legacy = mcp_message.first_request(server.target.url, "2025-11-25")
    yield _way(server, legacy, "initialize")
    yield _way(server, mcp_message.initialized(server.target.url, "2025-11-25", ()), "a notification")
    yield _way(server, _with_body(legacy, b"[" + legacy.body + b"]"), "a batch")
    for method in ("GET", "DELETE", "PUT", "PATCH", "HEAD"):
        headers = (("accept", "text/event-stream"),) if method == "GET" else ()
        yield _way(server, Request(method, server.target.url, headers), "the endpoint")
    for path in _aliases(server.target.url):
        yield _way(server, server.first(url=path), urlsplit(path).path)


def _way(server: ResourceServer, request: Request, what: str) -> Exchange:
    why = "Every request has to be authorized, whatever its method, its path and what it asks for."
    return server.ask(request, f"Without a token: {what}", why, _ALL_REQUESTS)


def _canary(server: ResourceServer) -> str:
    operation = server.target.operation
    return operation.tool if operation is not None else "conformance-no-such-tool"


def _with_body(request: Request, body: bytes) -> Request:
    return Request(request.method, request.url, request.headers, body)


def _aliases(url: str) -> Iterator[str]:
    """Other spellings of the endpoint's path that a router might send to the same place."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    for spelling in (f"{path}/", f"/{path}", path.upper(), f"{path}/."):
        if path:
            yield urlunsplit((parts.scheme, parts.netloc, spelling, parts.query, ""))
