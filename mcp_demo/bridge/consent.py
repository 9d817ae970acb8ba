"""The consent page, and `POST /consent` that comes back from it.

Nobody passes it: whether the person has a session at the user pool or agreed a minute ago, each login of each client is
shown and approved on its own. That approval is recorded inside the sealed `state`, with the client and the scopes.

Spec: MCP 2026-07-28 Authorization › Confused Deputy Problem, Security Best Practices › Consent UI Requirements.
"""

import logging
import secrets
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from mcp_demo.bridge import hops, scopes
from mcp_demo.bridge.answers import Stop, error_url, redirect
from mcp_demo.bridge.browser import digest
from mcp_demo.bridge.context import Bridge, bridge_of
from mcp_demo.bridge.envelope import EnvelopeRefused
from mcp_demo.bridge.payloads import CheckedRequest, ConsentTicket, UpstreamState
from mcp_demo.bridge.wire import form_pairs, values
from mcp_demo.oauth.errors import AccessDenied, InvalidRequest
from mcp_demo.oauth.redirect_uri import is_loopback
from mcp_demo.registry.model import Client

_log = logging.getLogger(__name__)


def page(bridge: Bridge, request: Request, client: Client, checked: CheckedRequest) -> Response:
    """The consent page for a checked request, tied to this browser."""
    visitor = bridge.browsers.visitor(request)
    ticket = bridge.envelopes.seal(ConsentTicket(request=checked, browser=digest(visitor)))
    target = urlsplit(checked.redirect_uri)
    response = bridge.pages.render(
        "consent.html",
        form_action=None,  # the answer redirects to the user pool, on to its identity providers, and to the client
        client=client,
        client_host=_host(client.client_id) if client.source == "cimd" else None,
        redirect_uri=checked.redirect_uri,
        redirect_host=target.netloc or f"{target.scheme}: (an app on this device)",
        redirect_loopback=is_loopback(checked.redirect_uri),
        loopback_only=client.loopback_only,
        private_scheme=target.scheme if target.scheme not in ("http", "https") else None,
        choices=scopes.in_words(checked.scopes, checked.resource),
        resource_host=_host(checked.resource),
        sign_in_host=_host(bridge.settings.domain),
        ticket=ticket,
    )
    bridge.browsers.remember_visitor(response, visitor)
    return response


async def decide(request: Request) -> Response:
    """`POST /consent`: approved or denied."""
    bridge = bridge_of(request)
    _same_site(bridge, request)
    try:
        pairs = await form_pairs(request)
        ticket = bridge.envelopes.open(ConsentTicket, "".join(values(pairs, "ticket")))
    except InvalidRequest as error:
        raise _refused(error.description, error.status) from None
    except EnvelopeRefused as error:
        _log.info("consent form refused: %s", error.reason)
        raise _refused("The form is too old, or it was changed on the way.") from None
    if not bridge.browsers.is_visitor(request, ticket.browser):
        _log.warning("consent form came from another browser than the one it was shown in")
        raise _refused("The form comes from another browser than the one it was shown in, or cookies are switched off.")
    checked = ticket.request
    client = await bridge.client(checked.client_id)
    if client is None:
        raise _refused("The application's registration was removed in the meantime.")
    if values(pairs, "decision") != ["approve"]:
        denied = AccessDenied("The person said no.")
        return redirect(error_url(bridge, checked.redirect_uri, checked.state, denied), status=303)
    ticked = values(pairs, "scope")
    kept = [
        choice.scope
        for choice in scopes.in_words(checked.scopes, checked.resource)
        if choice.scope in ticked or not choice.optional
    ]
    return _approved(bridge, client, checked.model_copy(update={"scopes": tuple(kept)}))


def _approved(bridge: Bridge, client: Client, checked: CheckedRequest) -> Response:
    login, value = secrets.token_hex(8), secrets.token_urlsafe(32)
    state = bridge.envelopes.seal(UpstreamState(request=checked, login=login, browser=digest(value)))
    url = bridge.upstream.authorize_url(checked, state, client.upstream_client_id)
    response = redirect(url, status=303)
    bridge.browsers.approve(response, login, value)
    hops.approved(bridge, checked.state, response)
    _log.info("approved: client %.100r, %d scopes", checked.client_id, len(checked.scopes))
    return response


def _same_site(bridge: Bridge, request: Request) -> None:
    """Refuse a form that another site sent, by what the browser says about it; the cookie decides in any case."""
    origin = request.headers.get("origin", "null")  # our own forms send "null", because pages send no referrer
    site = request.headers.get("sec-fetch-site", "same-origin")
    parts = urlsplit(bridge.issuer)
    if origin not in ("null", f"{parts.scheme}://{parts.netloc}") or site != "same-origin":
        raise _refused("The form was sent by another site.", 403)


def _refused(explanation: str, status: int = 400) -> Stop:
    return Stop(
        "This approval does not count",
        explanation,
        "Go back to the application and start the sign-in again.",
        status=status,
    )


def _host(url: str) -> str:
    return urlsplit(url).netloc
