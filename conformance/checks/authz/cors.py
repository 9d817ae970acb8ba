"""What pages of other origins may read (OAuth 2.1 §3.1, §3.2)."""

from typing import Any

from conformance.check import NotApplicable, Problem, Problems
from conformance.checks.authz import checks
from conformance.checks.authz.authorize import STRANGER, require_endpoint
from conformance.views.answers import fields, shown, status
from conformance.views.authorization_server import AuthorizationServer
from mcp_demo.exchange.model import Exchange, Request

_BASIC = ["client_secret_basic"]  # what metadata says that says nothing (RFC 8414 §2)
_ORIGIN = "https://page.conformance.example"


def _opened(exchange: Exchange) -> bool:
    return bool(fields(exchange, "access-control-allow-origin"))


def _preflight(server: AuthorizationServer, url: str, method: str, wanted: str) -> Exchange:
    headers = (
        ("origin", server.target.origin or _ORIGIN),
        ("access-control-request-method", method),
        ("access-control-request-headers", wanted),
    )
    return server.ask(Request("OPTIONS", url, headers), f"Preflight for {method}", "OAuth 2.1 §3.2")


@checks.add(
    "as.cors.endpoints",
    "AS-CORS",
    expected="Access-Control-Allow-Origin on metadata, registration, token and key endpoints, preflights included",
    why="A client in a browser cannot even begin if it may not read the metadata, and not finish without the token.",
    fix="Allow any origin there: no cookie is involved. Never at the authorization endpoint.",
)
def endpoints(server: AuthorizationServer) -> Problems:
    """Pages may read what they need for a login."""
    exchange, found = server.metadata
    origin = (("origin", server.target.origin or _ORIGIN), ("accept", "application/json"))
    metadata = server.ask(Request("GET", exchange.request.url, origin), "Metadata, read by a page", "OAuth 2.1 §3.2")
    by_header = "client_secret_basic" in (server.lists("token_endpoint_auth_methods_supported") or _BASIC)
    asked = [
        ("token_endpoint", "authorization,content-type" if by_header else "content-type"),
        ("registration_endpoint", "content-type"),
    ]
    preflights = [
        (name, _preflight(server, str(found[name]), "POST", wanted))
        for name, wanted in asked
        if isinstance(found.get(name), str)
    ]
    if server.target.origin is None and not _opened(metadata) and not any(_opened(answer) for _, answer in preflights):
        raise NotApplicable("Nothing says that browser pages are to be supported; --origin would.")
    preflights.append(("the metadata", _preflight(server, exchange.request.url, "GET", "mcp-protocol-version")))
    if not _opened(metadata):
        yield Problem("a page may not read the metadata", metadata)
    for name, answer in preflights:
        if not 200 <= status(answer) < 300 or not _opened(answer):
            yield Problem(f"{shown(answer)} to the preflight of {name}", answer)
    keys: Any = found.get("jwks_uri")
    if isinstance(keys, str) and keys.startswith("http"):
        answer = server.ask(Request("GET", keys, origin), "Keys, read by a page", "OAuth 2.1 §3.2")
        if not _opened(answer):
            yield Problem("a page may not read the keys", answer)


@checks.add(
    "as.cors.not-authorize",
    "AS-AUTHZ-NO-CORS",
    expected="no Access-Control-Allow-Origin at the authorization endpoint",
    why="It is for browsers to visit, not for pages to read: a page that reads it could log in by itself.",
    fix="Keep the CORS middleware away from the authorization and consent routes.",
)
def not_authorize(server: AuthorizationServer) -> Problems:
    """No page may read the authorization endpoint."""
    page = server.authorize(STRANGER, "The authorization endpoint, asked by a page", headers=(("origin", _ORIGIN),))
    question = _preflight(server, server.endpoint("authorization"), "GET", "authorization")
    opened = [exchange for exchange in (page, question) if _opened(exchange)]
    for exchange in opened:
        yield Problem(f"Access-Control-Allow-Origin on {exchange.request.method}", exchange)
    if not opened:
        require_endpoint(server)
