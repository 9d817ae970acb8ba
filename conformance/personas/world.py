"""Where a client finds itself: two MCP servers, two authorization servers, and a record of all that it sends."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from conformance.personas.issuer import Issuer
from conformance.personas.mcp_server import McpServer
from mcp_demo.exchange.model import Exchange, Request, Response
from mcp_demo.oauth.server_metadata import OAUTH, OPENID

Kind = Literal["mcp", "prm", "metadata", "register", "authorize", "token", "other"]
Party = Literal["server", "other server", "issuer", "other issuer", "stranger"]
Page = tuple[Kind, Callable[[Request], Response]]

PORTS = 4
"""How many addresses a world takes: two MCP servers and two issuers."""

_NAMES: Mapping[Kind, tuple[str, str, str, str]] = {
    "mcp": ("Request to the MCP server", "The client uses the server.", "MCP 2026-07-28 Streamable HTTP", "access"),
    "prm": ("Ask who protects the server", "The server's metadata names its issuers.", "RFC 9728 §3.1", "discovery"),
    "metadata": ("Ask the issuer what it can do", "Its metadata names its endpoints.", "RFC 8414 §3", "discovery"),
    "register": ("Register", "The client introduces itself.", "RFC 7591 §3.1", "registration"),
    "authorize": ("Authorization request", "It is approved at once.", "OAuth 2.1 §4.1.1", "authorization"),
    "token": ("Token request", "A code or a refresh token for tokens.", "OAuth 2.1 §3.2", "token"),
    "other": ("Something else", "Nothing has to be asked for here.", "RFC 9110", "discovery"),
}


@dataclass(frozen=True, slots=True)
class Hit:
    """A request that the client sent, and what became of it.

    Args:
        kind: What it is, whether or not there is anything at the address.
        party: Whom it was sent to.
        exchange: All of it.
        fields: The parameters of its query or of its form; of repeated ones the last.
        listening: The addresses at which the port of the redirect URI is listened on, if that is known.
    """

    kind: Kind
    party: Party
    exchange: Exchange
    fields: Mapping[str, str]
    listening: tuple[str, ...] = ()

    @property
    def request(self) -> Request:
        """The request."""
        return self.exchange.request

    @property
    def status(self) -> int:
        """The status of the answer."""
        return self.exchange.response.status if self.exchange.response else 0

    @property
    def token(self) -> str | None:
        """The bearer token it carries, be it where it should be or in the query."""
        scheme, _, token = (self.request.header("authorization") or "").partition(" ")
        return token if scheme.lower() == "bearer" and token else self.fields.get("access_token")


@dataclass
class World:
    """Four origins on this machine.

    Args:
        ports: Their ports.
        revision: The revision of MCP that is spoken.
        wait: Lets time pass.
        listening: Finds out at which addresses a port is listened on.
        canary_file: A file that is never there, unless somebody runs what is only to be read.
        pages: What is at a URL instead of what would be there.
        hits: All that was sent so far, in this order.
    """

    ports: Sequence[int]
    revision: str
    wait: Callable[[float], None] = time.sleep
    listening: Callable[[int], tuple[str, ...]] = lambda port: ()
    canary_file: str = "/nonexistent/canary"
    pages: dict[str, Page] = field(default_factory=dict[str, Page])
    hits: list[Hit] = field(default_factory=list[Hit])

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        first, second, third, fourth = (f"http://localhost:{port}" for port in self.ports)
        self.issuer, self.other_issuer = Issuer(third), Issuer(fourth)
        self.server = McpServer(f"{first}/mcp", self.revision, [self.issuer])
        self.other_server = McpServer(f"{second}/mcp", self.revision, [self.other_issuer])

    @property
    def secrets(self) -> tuple[str, ...]:
        """All tokens given out so far."""
        return (*self.issuer.tokens, *self.other_issuer.tokens)

    def answer(self, request: Request) -> Response:
        """Answer a request, whoever it is sent to, and record it."""
        started, clock = time.time(), time.monotonic()
        party = self._party(request.url)
        kind, answer = self._route(request, party)
        fields = dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))
        if kind == "token":
            fields = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        heard = self.listening(_port(fields.get("redirect_uri", ""))) if kind == "authorize" else ()
        name, why, spec, phase = _NAMES[kind]
        exchange = Exchange(name, why, spec, "client", party, request, None, phase, started)
        with self._lock:  # recorded before it is answered, so that what follows from the answer comes after it
            place = len(self.hits)
            self.hits.append(Hit(kind, party, exchange, fields, heard))
        response = answer(request)
        done = Exchange(name, why, spec, "client", party, request, response, phase, started, time.monotonic() - clock)
        self.hits[place] = Hit(kind, party, done, fields, heard)
        return response

    def _party(self, url: str) -> Party:
        netloc = urlsplit(url).netloc.lower()
        parties: dict[str, Party] = {
            urlsplit(self.server.url).netloc: "server",
            urlsplit(self.other_server.url).netloc: "other server",
            urlsplit(self.issuer.url).netloc: "issuer",
            urlsplit(self.other_issuer.url).netloc: "other issuer",
        }
        return parties.get(netloc, "stranger")  # also what the client has to do with others, such as telemetry

    def _route(self, request: Request, party: Party) -> Page:
        bare = request.url.partition("?")[0]
        if bare in self.pages:
            return self.pages[bare]
        path = urlsplit(bare).path
        if party in ("server", "other server"):
            server = self.server if party == "server" else self.other_server
            if bare.rstrip("/") == server.url.rstrip("/"):
                return "mcp", server.answer
            found = bare == server.metadata_url
            kind: Kind = "prm" if path.startswith("/.well-known/oauth-protected-resource") or found else "other"
            return (kind, lambda _: server.metadata()) if found else (kind, _nothing)
        if party in ("issuer", "other issuer"):
            return self._at(self.issuer if party == "issuer" else self.other_issuer, bare, path)
        return "other", lambda _: Response(200 if request.method == "CONNECT" else 404)

    def _at(self, issuer: Issuer, bare: str, path: str) -> Page:
        if bare in issuer.locations():
            return "metadata", lambda _: issuer.metadata()
        pages: dict[str, Page] = {
            issuer.endpoint("register"): ("register", issuer.register),
            issuer.endpoint("authorize"): ("authorize", issuer.authorize),
            issuer.endpoint("token"): ("token", lambda request: issuer.token(_form(request))),
        }
        if bare in pages:
            return pages[bare]
        return ("metadata", _nothing) if OAUTH in path or OPENID in path else ("other", _nothing)


def _form(request: Request) -> Mapping[str, str]:
    return dict(parse_qsl(request.body.decode("utf-8", "replace")))


def _nothing(request: Request) -> Response:
    del request
    return Response(404)


def _port(url: str) -> int:
    try:
        return urlsplit(url).port or 0
    except ValueError:
        return 0
