"""`GET /callback`: the person comes back from the user pool, and is sent on to the client.

`state` must be one we sealed, still good, for a login that was approved in this very browser, and not used before. Only
then is there a redirect URI to go to, with a code or with an error.

Spec: RFC 6749 §4.1.2 and §10.12, RFC 9207 §2, MCP 2026-07-28 Security Best Practices › Confused Deputy Problem.
"""

import logging
import secrets

from starlette.requests import Request
from starlette.responses import Response

from mcp_demo.bridge import hops
from mcp_demo.bridge.answers import Stop, error_url, redirect, response_url
from mcp_demo.bridge.browser import digest
from mcp_demo.bridge.context import Bridge, bridge_of
from mcp_demo.bridge.envelope import EnvelopeRefused
from mcp_demo.bridge.payloads import CheckedRequest, CodeGrant, UpstreamState
from mcp_demo.bridge.trace import key_of
from mcp_demo.bridge.wire import query_pairs
from mcp_demo.oauth.authorization import single_valued
from mcp_demo.oauth.errors import AccessDenied, InvalidRequest, OAuthError, ServerError, TemporarilyUnavailable

_log = logging.getLogger(__name__)


async def callback(request: Request) -> Response:
    """The bridge's redirect URI at the user pool."""
    bridge = bridge_of(request)
    try:
        parameters = single_valued(query_pairs(request))
        state = bridge.envelopes.open(UpstreamState, parameters.get("state", ""))
    except InvalidRequest as error:
        raise _stop("The sign-in service sent something we cannot read.") from error
    except EnvelopeRefused as error:
        _log.info("state refused at the callback: %s", error.reason)
        if error.reason == "expired":
            raise _stop("The sign-in took longer than ten minutes.") from None
        raise _stop("This address does not belong to a sign-in that was started here.") from None
    if not bridge.browsers.is_login(request, state.login, state.browser):
        _log.warning("callback from another browser, or for the second time")
        raise _stop("This sign-in was approved in another browser, was used already, or cookies are switched off.")
    response = redirect(_answer(bridge, state.request, parameters))
    bridge.browsers.forget_login(response, state.login)
    hops.returned(bridge, state.request.state, request, response)
    return response


def _answer(bridge: Bridge, approved: CheckedRequest, parameters: dict[str, str]) -> str:
    code, refusal = parameters.get("code"), parameters.get("error")
    if refusal is not None or code is None:
        error = _translated(refusal)
        return error_url(bridge, approved.redirect_uri, approved.state, error)
    grant = CodeGrant(
        code=code,
        family=secrets.token_urlsafe(16),
        client_id=approved.client_id,
        redirect_uri_digest=digest(approved.redirect_uri),
        code_challenge=approved.code_challenge,
        scopes=approved.scopes,
        resource=approved.resource,
        trace=key_of(approved.state) if bridge.trace is not None and approved.state else None,
    )
    return response_url(bridge, approved.redirect_uri, approved.state, {"code": bridge.envelopes.seal(grant)})


def _translated(error: str | None) -> OAuthError:
    """The user pool's refusal in our own words: its description may name the bridge's affairs."""
    if error == "access_denied":
        return AccessDenied("The sign-in was cancelled or refused.")
    _log.error("the user pool answered the authorization request with %.40r", error)
    if error == "temporarily_unavailable":
        return TemporarilyUnavailable("The sign-in service is not available at the moment.")
    return ServerError("The sign-in service refused the bridge's request.")


def _stop(explanation: str) -> Stop:
    return Stop(
        "This sign-in cannot be finished", explanation, "Go back to the application and start the sign-in again."
    )
