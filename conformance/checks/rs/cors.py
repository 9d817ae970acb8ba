"""What browser pages need to use the server (Fetch Standard). Asked for by practice, not by MCP."""

from urllib.parse import urlsplit

from conformance import mcp_message
from conformance.check import NotApplicable, Problem, Problems
from conformance.checks.rs import checks
from conformance.views.answers import fields, shown, status
from conformance.views.resource_server import ResourceServer
from mcp_demo.exchange.model import Exchange, Request

_WHY = "A browser asks first, and shows a page only what the server allows."
_SPEC = "OAuth 2.1 §3.2"


def _origin(server: ResourceServer) -> str:
    """The origin to ask as.

    Raises:
        NotApplicable: Nobody said that pages may call the server, and nothing of it says so either.
    """
    if server.target.origin is not None:
        return server.target.origin
    parts = urlsplit(server.target.url)
    own = f"{parts.scheme}://{parts.netloc}"
    signs = (_metadata(server, own), _preflight(server, own), _challenge(server, own))
    if not any(fields(exchange, "access-control-allow-origin") for exchange in signs):
        raise NotApplicable("Nothing says that browser pages are to be supported; --origin would.")
    return own


def _metadata(server: ResourceServer, origin: str) -> Exchange:
    url = server.metadata[0].request.url
    return server.get(url, "Metadata, read by a page", _WHY, _SPEC, headers=(("origin", origin),))


def _challenge(server: ResourceServer, origin: str) -> Exchange:
    return server.ask(server.first(extra=(("origin", origin),)), "A page without a token", _WHY, _SPEC)


def _preflight(server: ResourceServer, origin: str) -> Exchange:
    wanted = ["authorization", "content-type", "mcp-protocol-version"]
    if mcp_message.is_modern(server.target.revision):
        wanted += ["mcp-method", "mcp-name"]
    return _options(server, server.target.url, origin, "POST", wanted)


def _options(server: ResourceServer, url: str, origin: str, method: str, wanted: list[str]) -> Exchange:
    headers = (
        ("origin", origin),
        ("access-control-request-method", method),
        ("access-control-request-headers", ",".join(wanted)),
    )
    return server.ask(Request("OPTIONS", url, headers), f"Preflight for {method} by a page", _WHY, _SPEC)


def _allowed(exchange: Exchange, name: str) -> set[str]:
    values = ",".join(fields(exchange, name))
    return {value.strip().lower() for value in values.split(",") if value.strip()}


def _opened(exchange: Exchange, origin: str) -> bool:
    return fields(exchange, "access-control-allow-origin") in (("*",), (origin,))


@checks.add(
    "rs.cors.metadata",
    "RS-CORS-METADATA",
    expected="Access-Control-Allow-Origin on the metadata, and a preflight that allows MCP-Protocol-Version",
    why="A client in a browser cannot begin if it may not read the metadata.",
    fix="Put the CORS middleware in front of the well-known routes too; Access-Control-Allow-Origin: * is right there.",
)
def metadata(server: ResourceServer) -> Problems:
    """Pages may read the metadata."""
    origin = _origin(server)
    exchange = _metadata(server, origin)
    if not _opened(exchange, origin):
        yield Problem("the metadata carries no Access-Control-Allow-Origin for pages", exchange)
    url = exchange.request.url
    preflight = _options(server, url, origin, "GET", ["mcp-protocol-version"])
    if not 200 <= status(preflight) < 300 or not _opened(preflight, origin):
        yield Problem(f"{shown(preflight)} to the preflight of the metadata", preflight)
    elif not {"mcp-protocol-version", "*"} & _allowed(preflight, "access-control-allow-headers"):
        yield Problem("the preflight of the metadata does not allow MCP-Protocol-Version", preflight)


@checks.add(
    "rs.cors.expose",
    "RS-CORS-EXPOSE",
    expected="Access-Control-Allow-Origin and Access-Control-Expose-Headers: WWW-Authenticate on the 401",
    why="Without it a page reads null where the challenge is, and never finds the metadata.",
    fix="Add WWW-Authenticate to the exposed headers of the CORS middleware.",
)
def expose(server: ResourceServer) -> Problems:
    """Pages may read the challenge."""
    origin = _origin(server)
    exchange = _challenge(server, origin)
    if not _opened(exchange, origin):
        yield Problem(f"the {status(exchange)} carries no Access-Control-Allow-Origin for {origin}", exchange)
    if "www-authenticate" not in _allowed(exchange, "access-control-expose-headers"):
        yield Problem(f"the {status(exchange)} does not expose WWW-Authenticate", exchange)


@checks.add(
    "rs.cors.preflight",
    "RS-CORS-PREFLIGHT",
    expected="2xx without a token, the request headers of MCP by name, no credentials for just any origin",
    why="A preflight never carries a token; answered 401, it keeps every page out.",
    fix="Let OPTIONS with Access-Control-Request-Method pass before authorization, and list the headers.",
    cognito="API Gateway authorizers answer preflights 401 unless OPTIONS has a route of its own.",
)
def preflight(server: ResourceServer) -> Problems:
    """The browser's question beforehand is answered without a token."""
    origin = _origin(server)
    exchange = _preflight(server, origin)
    if not 200 <= status(exchange) < 300:
        yield Problem(f"{shown(exchange)} to a preflight", exchange)
        return
    if not _opened(exchange, origin):
        yield Problem(f"the preflight does not allow {origin}", exchange)
    wanted = (exchange.request.header("access-control-request-headers") or "").split(",")
    missing = set(wanted) - _allowed(exchange, "access-control-allow-headers")
    if missing:
        yield Problem(f"the preflight does not allow {', '.join(sorted(missing))} by name", exchange)
    foreign = _options(server, server.target.url, "https://evil.example", "POST", ["authorization"])
    reflected = "https://evil.example" in fields(foreign, "access-control-allow-origin")
    if reflected and "true" in _allowed(foreign, "access-control-allow-credentials"):
        yield Problem("any origin is reflected, with credentials", foreign)
