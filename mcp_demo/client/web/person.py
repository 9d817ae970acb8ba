"""What one browser session holds: grant, sign-ins under way, what came of them, and every hop for the flow panel."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import anyio

from mcp_demo.client.engine import Engine
from mcp_demo.client.errors import IssuerChoiceNeeded, explain
from mcp_demo.client.pending import PendingAuthorization
from mcp_demo.exchange.model import Exchange, Request, Response
from mcp_demo.exchange.redact import redact

_HOPS = 80
_PENDING = 5


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody was about to do when a sign-in came in between: a tool, its arguments, and a word for it."""

    name: str
    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error for people: which layer failed, what happened, what to do."""

    layer: str
    what: str
    cure: str


@dataclass
class Person:
    """One browser session. Never shared: two people at once do not mix."""

    engine: Engine
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    sign_ins: dict[str, tuple[PendingAuthorization, Wish]] = field(
        default_factory=dict[str, tuple[PendingAuthorization, Wish]]
    )
    hops: list[Exchange] = field(default_factory=list[Exchange])
    identity: Mapping[str, Any] | None = None
    contexts: list[Mapping[str, Any]] | None = None
    trouble: Trouble | None = None
    done: str | None = None
    issuer: str | None = None
    offered: tuple[str, ...] = ()
    undecided: Wish | None = None

    def choose(self, offered: Sequence[str]) -> str:
        """The authorization server that this person chose (RFC 9728 §7.6).

        Raises:
            IssuerChoiceNeeded: They have to be asked.
        """
        if self.issuer is not None and self.issuer in offered:
            return self.issuer
        raise IssuerChoiceNeeded(offered)

    def fail(self, error: Exception) -> None:
        """Tell an error; whatever they had chosen led to it, so let them choose again."""
        self.trouble, self.issuer = Trouble(*explain(error)), None

    def record(self, exchange: Exchange) -> None:
        """Keep a hop, redacted; our authorization server is the bridge, so it is called that here."""
        called = {"authorization server": "bridge"}
        sender = called.get(exchange.sender, exchange.sender)
        receiver = called.get(exchange.receiver, exchange.receiver)
        self.hops.append(redact(replace(exchange, sender=sender, receiver=receiver)))
        del self.hops[:-_HOPS]

    def leave_for(self, pending: PendingAuthorization, wish: Wish) -> str:
        """Remember a sign-in before the browser leaves; where it has to go."""
        self.sign_ins[pending.state] = (pending, wish)
        while len(self.sign_ins) > _PENDING:
            del self.sign_ins[next(iter(self.sign_ins))]
        why = (
            "Challenge, state, resource and scopes travel through the browser; the PKCE verifier stays with the client."
        )
        request = Request("GET", pending.url)
        self.record(_hop("Send the browser to sign in", why, "OAuth 2.1 §4.1.1", "browser", "bridge", request))
        return pending.url

    def returned(self, url: str) -> None:
        """Record the authorization response."""
        why = "The browser brings a one-time code. The client compares state and issuer before anything else."
        self.record(_hop("The browser comes back", why, "RFC 9207 §2.4", "browser", "client", Request("GET", url)))

    def add_trace(self, hops: tuple[Exchange, ...]) -> None:
        """Put the bridge's own hops in their places among ours."""
        known = {(hop.name, hop.started) for hop in self.hops}
        for hop in hops:
            if (hop.name, hop.started) not in known:
                self.hops.append(hop)
                if page := _sign_in_page(hop, self.engine.server_url):
                    self.hops.append(page)
        self.hops.sort(key=lambda hop: hop.started)
        del self.hops[:-_HOPS]


def trace_url(pending: PendingAuthorization) -> str:
    """Where the bridge tells its hops of a login, to those who know its `state`."""
    return f"{pending.issuer}/trace/{hashlib.sha256(pending.state.encode()).hexdigest()}"


def _sign_in_page(hop: Exchange, server_url: str) -> Exchange | None:
    """The visit that only browser and user pool see, told from the redirect that leads there."""
    target = hop.response.header("location") if hop.response else None
    if hop.sender != "browser" or target is None or "/oauth2/authorize" not in target:
        return None
    why = f"At {urlsplit(target).netloc} the person signs in. Neither client nor bridge ever sees the password."
    request = Request("GET", target)
    page = _hop("Sign in at the user pool", why, "Cognito docs › Authorize endpoint", "browser", "user pool", request)
    return replace(page, started=hop.started + 0.0001)


def _hop(
    name: str, why: str, spec: str, sender: str, receiver: str, request: Request, response: Response | None = None
) -> Exchange:
    return Exchange(name, why, spec, sender, receiver, request, response, "authorization", time.time())
