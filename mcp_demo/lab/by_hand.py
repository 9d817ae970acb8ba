"""Single requests that a learner makes by hand, outside of any flow: registering, asking, redeeming.

Each comes back as the exchange that `lab.show` draws, as it was; it is redacted where it is drawn.
"""

import json
import secrets
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx

from conformance.views.forms import form_of, text_of
from mcp_demo.client import discovery, registration
from mcp_demo.client.drive import Walk, from_httpx, to_httpx
from mcp_demo.client.events import Step
from mcp_demo.client.pending import PendingAuthorization
from mcp_demo.client.registration import Identity, Registration
from mcp_demo.exchange.model import Exchange, Request, Response
from mcp_demo.exchange.redact import redact_url
from mcp_demo.local.state import Run
from mcp_demo.oauth import pkce, token
from mcp_demo.oauth.authorization import AuthorizationRequest

_JSON = (("content-type", "application/json"), ("accept", "application/json"))
_FORM = (("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json"))
_MANAGE = {
    "GET": ("Read the registration", "RFC 7592 §2.1"),
    "PUT": ("Replace the registration", "RFC 7592 §2.2"),
    "DELETE": ("Take the registration back", "RFC 7592 §2.3"),
}


def register(endpoint: str, metadata: Mapping[str, Any]) -> Exchange:
    """Register a client (RFC 7591 §3.1)."""
    why = "Nobody has introduced the client to this authorization server, so it introduces itself."
    request = Request("POST", endpoint, _JSON, json.dumps(metadata).encode())
    return send("Register this client", why, "RFC 7591 §3.1", "registration", request)


def manage(method: str, made: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> Exchange:
    """Read, replace or remove a registration with the token that came with it (RFC 7592 §2).

    Args:
        method: GET, PUT or DELETE.
        made: What the registration was answered with.
        metadata: The new metadata, for PUT.
    """
    name, spec = _MANAGE[method]
    headers = (*_JSON, ("authorization", f"Bearer {made['registration_access_token']}"))
    body = b"" if metadata is None else json.dumps(metadata).encode()
    why = "The token that came with the registration opens this one registration, and nothing else."
    return send(name, why, spec, "registration", Request(method, made["registration_client_uri"], headers, body))


def introduce(run: Run, identity: Identity) -> Registration:
    """Let the client library choose how an identity becomes known to the bridge of a run."""
    redirect = "http://127.0.0.1/callback"
    with httpx.Client(timeout=30) as http:
        found = Walk(discovery.server_metadata_of(run.bridge, run.server), http)
        list(found)
        chosen = Walk(registration.register(identity, found.result, redirect, None, time.time()), http)
        list(chosen)
        return chosen.result


def withdraw(made: Registration) -> None:
    """Take a dynamic registration back; nothing for the others."""
    with httpx.Client(timeout=30) as http:
        list(Walk(registration.deregister(made), http))


def authorize(url: str, /, **changes: str | None) -> Exchange:
    """Open an authorization URL as a browser without cookies does, following no redirect.

    Args:
        url: The URL.
        changes: Parameters to set, or to leave out with None.
    """
    parts = urlsplit(url)
    given = {**dict(parse_qsl(parts.query, keep_blank_values=True)), **changes}
    query = urlencode({name: value for name, value in given.items() if value is not None})
    request = Request("GET", parts._replace(query=query).geturl(), (("accept", "text/html"),))
    why = "Any browser can be sent here by any link, so nothing in the address is to be trusted."
    return send(
        "Open the authorization endpoint",
        why,
        "OAuth 2.1 §4.1.1",
        "authorization",
        request,
        sender="browser",
        receiver="bridge",
    )


def redeem(pending: PendingAuthorization, code: str, **changes: str) -> Exchange:
    """Send a code to the token endpoint, with some of the fields changed (OAuth 2.1 §4.1.3)."""
    form = token.code_form(
        code=code, redirect_uri=pending.redirect_uri, code_verifier=pending.code_verifier, resource=pending.resource
    )
    body = urlencode({**form, "client_id": pending.client_id, **changes}).encode()
    why = "The same request as the client's own, but for what the attacker does not have or wants otherwise."
    return send(
        "Redeem the code", why, "OAuth 2.1 §4.1.3", "token", Request("POST", pending.token_endpoint, _FORM, body)
    )


def refresh(pending: PendingAuthorization, tokens: Exchange) -> Exchange:
    """Send the refresh token of a token response to the token endpoint (OAuth 2.1 §4.3.1)."""
    form = token.refresh_form(refresh_token=document(tokens)["refresh_token"], resource=pending.resource)
    body = urlencode({**form, "client_id": pending.client_id}).encode()
    why = "The access token will expire; the refresh token gets another one without asking the person again."
    sent = Request("POST", pending.token_endpoint, _FORM, body)
    return send("Refresh the access token", why, "OAuth 2.1 §4.3.1", "token", sent)


def approve(url: str) -> str:
    """Open an authorization URL in a browser of its own and agree there; where that browser is sent to sign in."""
    with httpx.Client(timeout=30) as http:
        page = send("", "", "OAuth 2.1 §4.1.1", "authorization", Request("GET", url), http=http)
        form = form_of(page)
        if form is None:
            raise ValueError("There is no consent page at this address.")
        answer = http.post(form.action, data=dict(form.pressed() or ()))
        return urljoin(form.action, answer.headers["location"])


def request(run: Run, client_id: str, redirect_uri: str = "http://127.0.0.1:49152/callback") -> str:
    """The URL of a good authorization request to the bridge of a run."""
    asked = AuthorizationRequest(
        client_id=client_id,
        redirect_uri=redirect_uri,
        state=secrets.token_urlsafe(32),
        code_challenge=pkce.challenge(pkce.new_verifier()),
        resource=run.server,
    )
    return asked.url(f"{run.bridge}/authorize")


def parameters(url: str) -> dict[str, str]:
    """The parameters of a URL; of what is secret or long only as much as tells it from others."""
    return dict(parse_qsl(urlsplit(redact_url(url)).query, keep_blank_values=True))


def said(exchange: Exchange) -> str:
    """What came back, in a line: the status, where the browser is sent, and the words of page or error."""
    response = exchange.response
    if response is None:
        return "nothing"
    if target := response.header("location"):
        told = dict(parse_qsl(urlsplit(target).query))
        reason = f", saying {told['error']}: {told.get('error_description', '')}" if "error" in told else ""
        return f"{response.status} on to {target.partition('?')[0]}{reason}"
    return f"{response.status} {_words(response)}".strip()


def _words(response: Response) -> str:
    body = response.body.decode(errors="replace")
    if "html" in (response.header("content-type") or ""):
        heading, _, rest = (body.partition("<main")[2].partition(">")[2] or body).partition("</h1>")
        explained = text_of(rest).partition("What to do:")[0] if response.status >= 400 else ""
        return f"{text_of(heading)}: {explained}" if explained else text_of(heading)
    try:
        found: Any = json.loads(body)
        return f"{found['error']}: {found.get('error_description', '')}"
    except (ValueError, KeyError, TypeError):
        return ""


def document(exchange: Exchange) -> dict[str, Any]:
    """The JSON object of a response."""
    return dict(json.loads(exchange.response.body)) if exchange.response and exchange.response.body else {}


def send(
    name: str,
    why: str,
    spec: str,
    phase: str,
    request: Request,
    *,
    sender: str = "client",
    receiver: str = "authorization server",
    http: httpx.Client | None = None,
) -> Exchange:
    """Send one request and record the exchange."""
    step = Step(name, why, spec, sender, receiver, phase, request)
    with _open(http) as client:
        started, clock = time.time(), time.perf_counter()
        response = from_httpx(client.send(to_httpx(request), follow_redirects=False))
    return step.exchange(response, started, time.perf_counter() - clock)


@contextmanager
def _open(http: httpx.Client | None) -> Generator[httpx.Client]:
    if http is not None:
        yield http
        return
    with httpx.Client(timeout=30) as own:
        yield own
