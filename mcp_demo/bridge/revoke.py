"""`POST /revoke`: a client gives up a login (RFC 7009).

Refresh tokens only. The access tokens are the user pool's signed JWTs, which servers check on their own: to say they
are revoked while they work until they expire would be a lie, and RFC 7009 §2.2.1 has an error for that.
"""

import logging

from starlette.requests import Request
from starlette.responses import Response

from mcp_demo.bridge.answers import NO_STORE
from mcp_demo.bridge.clients import authenticate
from mcp_demo.bridge.context import bridge_of
from mcp_demo.bridge.envelope import EnvelopeRefused
from mcp_demo.bridge.payloads import RefreshGrant
from mcp_demo.bridge.wire import form_pairs, only
from mcp_demo.oauth.errors import InvalidGrant, InvalidRequest, OAuthError

_log = logging.getLogger(__name__)


class UnsupportedTokenType(OAuthError):
    """The server does not revoke tokens of this kind (RFC 7009 §2.2.1)."""

    error = "unsupported_token_type"


async def revoke(request: Request) -> Response:
    """The revocation endpoint."""
    if request.method != "POST":
        raise InvalidRequest("Use POST.", status=405)
    bridge = bridge_of(request)
    form = only(await form_pairs(request), resource=bridge.settings.mcp_url)
    client = await authenticate(bridge, request, form)
    token = form.get("token")
    if token is None:
        raise InvalidRequest("`token` is missing.")
    if token.count(".") == 2:  # a signed JWT, as the user pool's access tokens are; our envelopes have four dots
        raise UnsupportedTokenType("Access tokens end by themselves; revoke the refresh token.")
    try:
        grant = bridge.envelopes.open(RefreshGrant, token)
    except EnvelopeRefused as error:
        _log.info("nothing to revoke: %s", error.reason)
        return Response(headers=NO_STORE)  # an invalid token is as good as revoked (RFC 7009 §2.2)
    if grant.client_id != client.client_id:
        _log.warning("client %.100r wants to revoke the token of another", client.client_id)
        raise InvalidGrant("The token was not issued to this client.")
    await bridge.blocking(lambda: bridge.families.end(grant.family, expires=grant.expires))
    await bridge.upstream.revoke(grant.refresh_token, client.upstream_client_id)
    return Response(headers=NO_STORE)
