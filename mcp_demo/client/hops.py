"""The hops of a sign-in that the client does not make itself: the browser's, and those the bridge tells of.

The flow panel and the notebooks put them between the exchanges of the engine, so that no hop is missing.
"""

import hashlib
from dataclasses import replace
from urllib.parse import urlsplit

from mcp_demo.client.pending import PendingAuthorization
from mcp_demo.exchange.model import Exchange, Request


def sent_off(pending: PendingAuthorization, started: float) -> Exchange:
    """The browser is sent to the authorization server."""
    why = "Challenge, state, resource and scopes travel through the browser; the PKCE verifier stays with the client."
    return _hop("Send the browser to sign in", why, "OAuth 2.1 §4.1.1", "browser", "bridge", pending.url, started)


def came_back(url: str, started: float) -> Exchange:
    """The browser brings the authorization response."""
    why = "The browser brings a one-time code. The client compares state and issuer before anything else."
    return _hop("The browser comes back", why, "RFC 9207 §2.4", "browser", "client", url, started)


def trace_url(pending: PendingAuthorization) -> str:
    """Where the bridge tells its hops of a login, to those who know its `state`; a learner's machine only."""
    return f"{pending.issuer}/trace/{hashlib.sha256(pending.state.encode()).hexdigest()}"


def with_sign_in(trace: tuple[Exchange, ...]) -> tuple[Exchange, ...]:
    """The bridge's hops, and after each redirect to the user pool the visit that only browser and pool see."""
    pages = [(hop, _sign_in_page(hop)) for hop in trace]
    return tuple(hop for pair in pages for hop in pair if hop is not None)


def _sign_in_page(hop: Exchange) -> Exchange | None:
    target = hop.response.header("location") if hop.response else None
    if hop.sender != "browser" or target is None or "/oauth2/authorize" not in target:
        return None
    why = f"At {urlsplit(target).netloc} the person signs in. Neither client nor bridge ever sees the password."
    page = _hop("Sign in at the user pool", why, "Cognito docs › Authorize endpoint", "browser", "user pool", target, 0)
    return replace(page, started=hop.started + 0.0001)


def _hop(name: str, why: str, spec: str, sender: str, receiver: str, url: str, started: float) -> Exchange:
    return Exchange(name, why, spec, sender, receiver, Request("GET", url), None, "authorization", started)
