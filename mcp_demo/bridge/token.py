"""`POST /token`: a code, or a refresh token, for an access token of the user pool.

The envelope says who it was given to and for what; the user pool says whether what is inside is still alive. The access
token passes through unchanged.

Spec: RFC 6749 §4.1.3, §5 and §6; RFC 7636 §4.6; RFC 8707 §2.2.
"""

import hmac
import json
import logging
from base64 import urlsafe_b64decode
from contextlib import suppress
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response

from mcp_demo.bridge import answers, hops, scopes
from mcp_demo.bridge.browser import digest
from mcp_demo.bridge.clients import authenticate
from mcp_demo.bridge.context import Bridge, bridge_of
from mcp_demo.bridge.envelope import EnvelopeRefused, P
from mcp_demo.bridge.payloads import REFRESH_SECONDS, CodeGrant, RefreshGrant
from mcp_demo.bridge.wire import form_pairs, only
from mcp_demo.oauth import pkce
from mcp_demo.oauth import scopes as scope_rules
from mcp_demo.oauth.errors import (
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    ServerError,
    TemporarilyUnavailable,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from mcp_demo.oauth.token import TokenResponse
from mcp_demo.registry.model import Client

_log = logging.getLogger(__name__)


async def token(request: Request) -> Response:
    """The token endpoint."""
    if request.method != "POST":
        raise InvalidRequest("Use POST.", status=405)
    bridge = bridge_of(request)
    form = only(await form_pairs(request), resource=bridge.settings.mcp_url)
    grant_type = form.get("grant_type")
    if grant_type is None:
        raise InvalidRequest("`grant_type` is missing.")
    grant = {"authorization_code": _code, "refresh_token": _refresh}.get(grant_type)
    if grant is None:
        raise UnsupportedGrantType("Only `authorization_code` and `refresh_token` are supported.")
    client = await authenticate(bridge, request, form)
    if grant_type not in client.grant_types:
        raise UnauthorizedClient(f"This client is not registered for the grant {grant_type}.")
    return await grant(bridge, client, form)


async def _code(bridge: Bridge, client: Client, form: dict[str, str]) -> Response:
    grant = _open(bridge, CodeGrant, form.get("code"), "code")
    verifier = form.get("code_verifier")
    if verifier is None:
        raise InvalidRequest("`code_verifier` is missing.")
    redirect_uri = form.get("redirect_uri")
    if grant.client_id != client.client_id:
        _log.warning("client %.100r presents the code of another", client.client_id)
        raise InvalidGrant("The code was not issued to this client.")
    if redirect_uri is not None and not hmac.compare_digest(digest(redirect_uri), grant.redirect_uri_digest):
        raise InvalidGrant("`redirect_uri` is not the one of the authorization request.")
    if not pkce.matches(verifier, grant.code_challenge):
        raise InvalidGrant("`code_verifier` does not match the code challenge.")
    expires = bridge.clock() + REFRESH_SECONDS
    try:
        issued = await bridge.upstream.exchange_code(
            grant.code, verifier, client.upstream_client_id, hops.recorder(bridge, grant.trace)
        )
    except InvalidGrant:
        # Maybe a replay, by somebody who has the verifier: what the code gave before ends (RFC 6749 §4.1.2).
        await bridge.blocking(lambda: bridge.families.end(grant.family, expires=expires))
        raise
    granted = _granted(issued, grant)
    first = issued.refresh_token and RefreshGrant(
        refresh_token=issued.refresh_token,
        family=grant.family,
        generation=0,
        expires=expires,
        client_id=client.client_id,
        scopes=grant.scopes,
        resource=grant.resource,
    )
    await _note_use(bridge, client)
    return _answer(bridge, client, issued, granted, first or None)


async def _refresh(bridge: Bridge, client: Client, form: dict[str, str]) -> Response:
    grant = _open(bridge, RefreshGrant, form.get("refresh_token"), "refresh_token")
    if grant.client_id != client.client_id:
        _log.warning("client %.100r presents the refresh token of another", client.client_id)
        raise InvalidGrant("The refresh token was not issued to this client.")
    if not scopes.is_covered(form.get("scope"), grant.scopes):
        raise InvalidScope("A refresh keeps the scopes of the grant; sign in again for others.")
    issued, generation = await _rotated(bridge, client, grant)
    granted = _granted(issued, grant)
    changes = {"refresh_token": issued.refresh_token or grant.refresh_token, "generation": generation}
    await _note_use(bridge, client)
    return _answer(bridge, client, issued, granted, grant.model_copy(update=changes))


async def _rotated(bridge: Bridge, client: Client, grant: RefreshGrant) -> tuple[TokenResponse, int]:
    """New tokens, and the generation of the next refresh token.

    The user pool is asked first: were it down after the token counts as used, its client would look like a thief when
    it tries again. What the user pool hands out for a token that then turns out to be used before goes nowhere.

    Spec: OAuth 2.1 §4.3.1, MCP 2026-07-28 Security Considerations › Token Theft.

    Raises:
        InvalidGrant: The grant is dead, or has just been ended because the token was used before.
    """
    issued, refusal = None, None
    try:
        issued = await bridge.upstream.refresh(grant.refresh_token, client.upstream_client_id)
    except InvalidGrant as error:  # perhaps because its successor is in use: that has to be noticed all the same
        refusal = error
    rotation = await bridge.blocking(
        lambda: bridge.families.rotate(grant.family, grant.generation, now=bridge.clock(), expires=grant.expires)
    )
    if rotation.outcome == "reused":
        _log.warning("client %.100r used a refresh token twice: the family is ended", client.client_id)
        with suppress(TemporarilyUnavailable):
            latest = issued.refresh_token if issued and issued.refresh_token else grant.refresh_token
            await bridge.upstream.revoke(latest, client.upstream_client_id)
    if issued is None or rotation.generation is None:
        raise refusal or InvalidGrant("The refresh token was used before, or the login has ended.")
    return issued, rotation.generation


async def _note_use(bridge: Bridge, client: Client) -> None:
    """Keep a registered client from expiring; nobody has to wait for more tokens because that failed."""
    with suppress(TemporarilyUnavailable):
        await bridge.blocking(lambda: bridge.registry.touch(client, bridge.clock()))


def _open(bridge: Bridge, kind: type[P], envelope: str | None, name: str) -> P:
    if envelope is None:
        raise InvalidRequest(f"`{name}` is missing.")
    try:
        return bridge.envelopes.open(kind, envelope)
    except EnvelopeRefused as error:
        _log.info("%s refused: %s", name, error.reason)
        raise InvalidGrant(f"The {name.replace('_', ' ')} is expired, or was not issued here.") from None


def _answer(
    bridge: Bridge, client: Client, issued: TokenResponse, granted: tuple[str, ...], refresh: RefreshGrant | None
) -> Response:
    members: dict[str, Any] = {
        "access_token": issued.access_token,
        "token_type": "Bearer",
        "scope": scope_rules.join(granted),
    }
    if issued.expires_in is not None:
        members["expires_in"] = issued.expires_in
    if refresh is not None and "refresh_token" in client.grant_types:
        members["refresh_token"] = bridge.envelopes.seal(refresh)
    return answers.tokens(members)


def _granted(issued: TokenResponse, grant: CodeGrant | RefreshGrant) -> tuple[str, ...]:
    """The scopes that the access token really carries, for the client to know (RFC 6749 §5.1).

    Raises:
        ServerError: The user pool put more into it than the person agreed to.
    """
    carried = _scopes_of(issued.access_token)
    if carried is None:
        return grant.scopes
    beyond = [scope for scope in carried if scope.startswith(f"{grant.resource}/") and scope not in grant.scopes]
    if beyond:
        _log.error("the user pool issued scopes that nobody consented to: %s", scope_rules.join(beyond))
        raise ServerError("The sign-in service issued more than was agreed to.")
    return tuple(carried)


def _scopes_of(access_token: str) -> list[str] | None:
    """The `scope` claim of a token that came straight from its issuer, so is not verified; None if unreadable."""
    try:
        body = access_token.split(".")[1]
        claims: object = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError):
        return None
    scope = cast("dict[str, Any]", claims).get("scope") if isinstance(claims, dict) else None
    return scope.split() if isinstance(scope, str) else None
