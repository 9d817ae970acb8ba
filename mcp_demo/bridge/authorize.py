"""`GET /authorize`: everything is checked before the person is asked anything.

The order matters. As long as client and redirect URI are not known to belong together, errors stay on our own page;
afterwards they go to the redirect URI. Only a client that an administrator registered is sent an error without the
person doing anything: for all others a link that leads through our page to somewhere else is the older trick.

Spec: RFC 6749 §4.1.1 and §4.1.2.1, RFC 9700 §4.11.2, MCP 2026-07-28 Authorization › Open Redirection.
"""

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from mcp_demo.bridge import consent, scopes
from mcp_demo.bridge.answers import Stop, error_url, redirect
from mcp_demo.bridge.context import Bridge, bridge_of
from mcp_demo.bridge.payloads import CheckedRequest
from mcp_demo.bridge.wire import Pairs, only, query_pairs, values
from mcp_demo.oauth import pkce
from mcp_demo.oauth.errors import InvalidClient, InvalidRequest, OAuthError, UnauthorizedClient, UnsupportedResponseType
from mcp_demo.oauth.redirect_uri import is_registered, objection
from mcp_demo.registry.model import Client

_BACK = "Go back to the application and start again. If that does not help, tell its makers."
_MAX_STATE = 2048
_UNKNOWN = (
    "We do not know this application",
    "The application that sent you here is not registered, or its registration has expired.",
    "Remove the connection in the application and add it again, so that it registers anew.",
)
_UNUSABLE = {
    "pending": (
        "This application waits for approval",
        "It has registered itself here, and an administrator of this service has to approve it before people sign in.",
        "Ask the administrators of this service, then come back. There is nothing to change in the application.",
    ),
    "denied": (
        "This application was not approved",
        "An administrator of this service has looked at it and decided that nobody signs in with it.",
        "Ask the administrators of this service if you think that this is wrong.",
    ),
}
"""Why a client cannot be used, by where it stands: title, reason, what to do."""


async def authorize(request: Request) -> Response:
    """The authorization endpoint."""
    bridge = bridge_of(request)
    try:
        pairs = query_pairs(request)
        client = await _client(bridge, pairs)
    except InvalidClient as error:
        raise Stop(
            "We could not check this application",
            error.description,
            "Nothing was sent to the application. Tell its makers what this page says.",
            code=error.error,
            status=429 if error.status == 429 else 400,
        ) from None
    except OAuthError as error:
        raise Stop(
            "This sign-in cannot start", error.description, _BACK, code=error.error, status=error.status
        ) from None
    redirect_uri = _redirect_uri(client, pairs)
    states = values(pairs, "state")
    state = states[0] if len(states) == 1 else None
    try:
        checked = check(pairs, client, redirect_uri, bridge.settings.mcp_url)
    except OAuthError as error:
        url = error_url(bridge, redirect_uri, state, error)
        if client.source == "pre-registered":
            return redirect(url)
        raise Stop(
            "The application asked for something impossible",
            error.description,
            "You can go back to the application, which will be told the reason.",
            code=error.error,
            back=url,
            back_text=f"Go back to {urlsplit(redirect_uri).netloc or 'the application'}",
        ) from None
    return consent.page(bridge, request, client, checked)


async def _client(bridge: Bridge, pairs: Pairs) -> Client:
    named = [value for name, value in pairs if name == "client_id"]
    client = await bridge.client(named[0]) if len(named) == 1 and named[0] else None
    if client is None:
        standing = await bridge.standing(named[0]) if len(named) == 1 and named[0] else None
        raise Stop(*_UNUSABLE.get(standing or "", _UNKNOWN), code="invalid_client")
    return client


def _redirect_uri(client: Client, pairs: Pairs) -> str:
    named = [value for name, value in pairs if name == "redirect_uri"]
    good = (
        len(named) == 1
        and is_registered(named[0], client.redirect_uris)
        and objection(named[0]) is None  # whatever let it into a registry, no browser is sent to a script
    )
    if not good:
        raise Stop(
            "This sign-in would lead to an unknown address",
            "The application wants you sent back to an address that it has not registered, so we stop here.",
            "If you did not expect this, close the page. Otherwise add the connection in the application again.",
        )
    return named[0]


def check(pairs: Pairs, client: Client, redirect_uri: str, resource: str) -> CheckedRequest:
    """The request, once nothing in it is missing, repeated, malformed or too much.

    Raises:
        OAuthError: Says what is wrong; may go to the redirect URI.
    """
    parameters = only(pairs, resource=resource)
    response_type = parameters.get("response_type")
    if response_type is None:
        raise InvalidRequest("`response_type` is missing.")
    if response_type != "code":
        raise UnsupportedResponseType("Only the response type `code` is supported.")
    if parameters.get("response_mode", "query") != "query":
        raise InvalidRequest("Only the response mode `query` is supported.")
    if "authorization_code" not in client.grant_types:
        raise UnauthorizedClient("This client is not registered for the authorization code grant.")
    state = parameters.get("state")
    if state is not None and len(state) > _MAX_STATE:
        raise InvalidRequest(f"`state` is longer than {_MAX_STATE} characters.")
    return CheckedRequest(
        client_id=client.client_id,
        redirect_uri=redirect_uri,
        state=state,
        code_challenge=_code_challenge(parameters),
        scopes=scopes.choose(parameters.get("scope"), offered=scopes.supported(resource), ceiling=client.scopes),
        resource=resource,
    )


def _code_challenge(parameters: dict[str, str]) -> str:
    """The challenge; S256 only, said so by the client, from every client (OAuth 2.1 §4.1.1, §7.6)."""
    value = parameters.get("code_challenge")
    if value is None:
        raise InvalidRequest("`code_challenge` is missing: PKCE is required.")
    if parameters.get("code_challenge_method") != "S256":
        raise InvalidRequest("`code_challenge_method` must be S256.")
    if not pkce.is_challenge(value):
        raise InvalidRequest("`code_challenge` is not an S256 challenge.")
    return value
