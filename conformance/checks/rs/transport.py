"""Origin, protocol version, methods and TLS of the endpoint (MCP Streamable HTTP)."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from conformance import mcp_message
from conformance.check import Blocked, NotApplicable, Problem, Problems
from conformance.checks.rs import checks
from conformance.target import Capability
from conformance.views.answers import fields, members, response, shown, status, succeeded
from conformance.views.resource_server import FOREIGN_ORIGIN, ResourceServer
from conformance.wire import GivenUp, Unanswered
from mcp_demo.exchange.model import Exchange, Headers, Request
from mcp_demo.oauth.resource import is_loopback_host

_SECURITY = "MCP 2026-07-28 Streamable HTTP"
_VERSION = "MCP 2026-07-28 Streamable HTTP › Protocol Version Header"
_HEADER_MISMATCH = -32020
_UNSUPPORTED = -32022
_NEVER = "1900-01-01"
_TOKEN = (Capability.TOKEN,)


@checks.add(
    "rs.origin.validated",
    "RS-ORIGIN-VALIDATE",
    expected="refusal of foreign origins on POST, GET and DELETE; not of an allowed one, nor of requests without one",
    why="A web page can make a browser call servers on its person's machine or network (DNS rebinding).",
    fix="Compare Origin with a list on every request to the endpoint, before anything else.",
)
def origin_validated(server: ResourceServer) -> Problems:
    """Pages of foreign origins may not call the server."""
    if Capability.TOKEN not in server.target.capabilities:
        yield from _origin_without_token(server)
        return
    server.require_control()
    token = (("authorization", f"Bearer {server.token}"),)
    for origin in (FOREIGN_ORIGIN, "null", "http://localhost.evil.example"):
        for request in _by_method(server, (*token, ("origin", origin))):
            exchange = _from_page(server, request, origin)
            if 200 <= status(exchange) < 300:
                yield Problem(f"{shown(exchange)} to {request.method} from a page of {origin}", exchange)
    rebound = server.first(extra=(*token, ("host", "evil.example"), ("origin", "http://evil.example")))
    exchange = _from_page(server, rebound, "a rebound host")
    if succeeded(exchange):
        yield Problem(f"{shown(exchange)} to a page whose host name was rebound to the server", exchange)
    if server.target.origin is not None:
        allowed = _from_page(
            server, server.first(extra=(*token, ("origin", server.target.origin))), "an allowed origin"
        )
        if not succeeded(allowed):
            yield Problem(f"{shown(allowed)} to a page of the allowed origin {server.target.origin}", allowed)


def _origin_without_token(server: ResourceServer) -> Problems:
    """Without a token only a 403 that nobody else gets tells anything."""
    exchange = _from_page(server, server.first(extra=(("origin", FOREIGN_ORIGIN),)), FOREIGN_ORIGIN)
    if 200 <= status(exchange) < 300:
        yield Problem(f"{shown(exchange)} to a page of {FOREIGN_ORIGIN}", exchange)
    elif status(exchange) == status(server.anonymous):
        raise Blocked.without(Capability.TOKEN)


def _by_method(server: ResourceServer, extra: Headers) -> Iterator[Request]:
    yield server.first(extra=extra)
    yield Request("GET", server.target.url, (("accept", "text/event-stream"), *extra))
    yield Request("DELETE", server.target.url, extra)


def _from_page(server: ResourceServer, request: Request, origin: str) -> Exchange:
    why = "A browser says which page makes it call; the server has to care."
    return server.ask(request, f"{request.method} from a page of {origin}", why, _SECURITY)


@checks.add(
    "rs.origin.status",
    "RS-ORIGIN-403",
    expected="403",
    why="Leaving CORS headers out stops a page from reading the answer, not the request from being carried out.",
    fix="Answer a foreign Origin 403, and do nothing.",
    needs=_TOKEN,
)
def origin_status(server: ResourceServer) -> Problems:
    """A foreign origin is answered 403, even with a valid token."""
    server.require_control()
    extra = (("authorization", f"Bearer {server.token}"), ("origin", FOREIGN_ORIGIN))
    exchange = _from_page(server, server.first(extra=extra), FOREIGN_ORIGIN)
    if status(exchange) != 403:
        yield Problem(f"{shown(exchange)} to a valid request from a page of {FOREIGN_ORIGIN}", exchange)


@checks.add(
    "rs.version.unsupported",
    "RS-PROTO-VERSION-UNSUPPORTED",
    expected="400, since 2026-07-28 with the JSON-RPC error that lists the supported versions",
    why="A client that is served by rules it does not speak misunderstands the answers.",
    fix="Compare MCP-Protocol-Version with the versions you speak, and refuse others.",
    needs=_TOKEN,
)
def version_unsupported(server: ResourceServer) -> Problems:
    """A protocol version that nobody speaks is refused."""
    server.require_control()
    for version in (_NEVER, "not-a-version"):
        exchange = _in_version(server, version, version)
        if status(exchange) != 400:
            yield Problem(f"{shown(exchange)} to MCP-Protocol-Version {version}", exchange)
        elif mcp_message.is_modern(server.target.revision):
            error = mcp_message.error(response(exchange).body) or {}
            data: Any = error.get("data")
            listed = isinstance(data, dict) and "supported" in data
            if error.get("code") != _UNSUPPORTED or not listed:
                yield Problem(f"400 to {version}, but no error {_UNSUPPORTED} with the supported versions", exchange)


def _in_version(server: ResourceServer, header: str | None, body: str | None) -> Exchange:
    """The first request after the handshake, with this version in its header and in its body."""
    extra = (("authorization", f"Bearer {server.token}"), *server.session_headers(server.token))
    extra = (*extra, ("mcp-protocol-version", header)) if header is not None else extra
    sent = mcp_message.request(
        server.target.url, server.target.revision, "tools/list", extra=extra, without=("mcp-protocol-version",)
    )
    if body is not None and mcp_message.is_modern(server.target.revision):
        message: Any = json.loads(sent.body)
        message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = body
        sent = Request(sent.method, sent.url, sent.headers, json.dumps(message).encode())
    name = f"MCP-Protocol-Version {header or 'missing'}"
    return server.ask(sent, name, "Header and body say in which version the client speaks.", _VERSION)


@checks.add(
    "rs.version.absent",
    "RS-PROTO-VERSION-ABSENT",
    expected="the answer of a request of 2025-03-26",
    why="Clients from before 2025-06-18 do not know the header.",
    fix="Take a missing MCP-Protocol-Version as 2025-03-26.",
    needs=_TOKEN,
)
def version_absent(server: ResourceServer) -> Problems:
    """A request without the version header is served."""
    server.require_control()
    exchange = _in_version(server, None, None)
    if not succeeded(exchange):
        yield Problem(f"{shown(exchange)} to a request without MCP-Protocol-Version", exchange)


@checks.add(
    "rs.version.agrees",
    "RS-PROTO-VERSION-REQUIRED",
    expected="400 with JSON-RPC error -32020 if header and body differ",
    why="A gateway decides by the header, the server by the body: whoever makes them differ gets past the gateway.",
    fix="Compare MCP-Protocol-Version with the version in _meta before doing anything.",
    needs=_TOKEN,
)
def version_agrees(server: ResourceServer) -> Problems:
    """Header and body name the same version."""
    server.require_control()
    for header in (None, "2025-11-25"):
        exchange = _in_version(server, header, server.target.revision)
        if header is None and succeeded(exchange):
            continue  # allowed to servers that also serve clients from before the header
        code = (mcp_message.error(response(exchange).body) or {}).get("code")
        if status(exchange) != 400:
            yield Problem(f"{shown(exchange)} to version {header} in the header and another one in the body", exchange)
        elif code != _HEADER_MISMATCH and header is not None:
            yield Problem(f"400 with error {code} instead of {_HEADER_MISMATCH}", exchange, soft=True)


@checks.add(
    "rs.methods.no-bypass",
    "RS-HTTP-METHODS",
    expected="405 to GET and DELETE (401 without a token), no 5xx, HEAD of the metadata like GET without its body",
    why="A method that nobody thought of is a way around authorization, or a way to crash.",
    fix="Take POST only, and answer the rest 405 with Allow.",
)
def methods(server: ResourceServer) -> Problems:
    """Other methods than POST lead nowhere."""
    tokens: list[Headers] = [()]
    if Capability.TOKEN in server.target.capabilities:
        server.require_control()
        tokens.append((("authorization", f"Bearer {server.token}"),))
    for extra in tokens:
        for method in ("GET", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS"):
            yield from _method(server, method, extra)
    server.require_protection()
    url = server.metadata[0].request.url
    head = server.get(url, "HEAD of the metadata", "HEAD is GET without the body.", "RFC 9110 §9.3.2", method="HEAD")
    if status(head) != 200 or response(head).body:
        yield Problem(f"{shown(head)} to HEAD of the metadata", head)


def _method(server: ResourceServer, method: str, extra: Headers) -> Problems:
    accept = (("accept", "text/event-stream"),) if method == "GET" else ()
    what = "with a token" if extra else "without a token"
    why = "Only POST carries requests; every other method has to be refused."
    exchange = server.ask(Request(method, server.target.url, (*accept, *extra)), f"{method} {what}", why, _SECURITY)
    code = status(exchange)
    crashed = code >= 500 and code != 501
    served = 200 <= code < 300 and method != "OPTIONS"
    if crashed or (served and not (extra and _has_streams(server))):
        yield Problem(f"{shown(exchange)} to {method} {what}", exchange)
    elif code == 405 and not fields(exchange, "allow"):
        yield Problem(f"405 to {method} {what} without Allow", exchange)


def _has_streams(server: ResourceServer) -> bool:
    """Whether the server also speaks a revision that had GET and DELETE."""
    extra = (("authorization", f"Bearer {server.token}"),)
    request = mcp_message.first_request(server.target.url, "2025-11-25", extra=extra)
    return succeeded(server.ask(request, "Handshake of 2025-11-25", "Earlier revisions have streams.", _SECURITY))


@checks.add(
    "rs.transport.https",
    "RS-HTTPS",
    expected="https for the endpoint and its metadata, and nobody who takes a token in clear text",
    why="A bearer token is as good as its holder: who reads it on the way is its holder.",
    fix="Serve TLS only; let port 80 redirect or stay closed.",
)
def https(server: ResourceServer) -> Problems:
    """Tokens travel over https only."""
    parts = urlsplit(server.target.url)
    if is_loopback_host(parts.hostname):
        raise NotApplicable("The server is on this machine, where http is allowed.")
    seen = server.anonymous
    if parts.scheme != "https":
        yield Problem(f"the endpoint itself is {parts.scheme}", seen)
        return
    named = server.named_metadata_url or ""
    if named.startswith("http:"):
        yield Problem(f"the challenge names {named}", seen)
    resource = (members(server.metadata[0]) or {}).get("resource")
    if isinstance(resource, str) and resource.startswith("http:"):
        yield Problem(f"the metadata names {resource}", server.metadata[0])
    plain = f"http://{parts.hostname}{parts.path}"
    try:
        exchange = server.ask(
            server.first(url=plain), "The same in clear text", "Nobody should listen there.", "OAuth 2.1 §1.5"
        )
    except GivenUp:
        raise
    except Unanswered:
        return
    if status(exchange) < 300 or status(exchange) == 401:
        yield Problem(f"{shown(exchange)} at {plain}", exchange)
