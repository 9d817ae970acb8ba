"""Building the authorization request.

Spec: OAuth 2.1 §4.1.1, RFC 7636, RFC 8707 §2.1.
"""

import secrets

from mcp_demo.client.discovery import Discovery
from mcp_demo.client.pending import PendingAuthorization
from mcp_demo.client.registration import Registration
from mcp_demo.oauth import authorization, pkce, redirect_uri
from mcp_demo.oauth.errors import InsecureUrl, MetadataInvalid, ProtocolViolation
from mcp_demo.oauth.resource import is_secure_url


def begin(
    discovery: Discovery, registration: Registration, redirect: str, scopes: tuple[str, ...] | None
) -> PendingAuthorization:
    """A fresh authorization request: new verifier, new state, recorded issuer.

    Spec: OAuth 2.1 §4.1.1, RFC 8707 §2.1, Security Best Practices › OAuth Authorization URL Validation.

    Raises:
        MetadataInvalid: The authorization server has no authorization endpoint.
        InsecureUrl: That endpoint, or our redirect URI, is neither https nor loopback.
        ProtocolViolation: The redirect URI is not among those that were registered.
    """
    metadata = discovery.metadata
    if metadata.authorization_endpoint is None:
        raise MetadataInvalid(f"{metadata.issuer} has no `authorization_endpoint`.")
    for url in (metadata.authorization_endpoint, redirect):
        if not is_secure_url(url):
            raise InsecureUrl("Authorization endpoint and redirect URI must be https, or on this machine.")
    if registration.redirect_uris and not redirect_uri.is_registered(redirect, registration.redirect_uris):
        raise ProtocolViolation(f"The redirect URI {redirect!r} is not one that this client has registered.")
    verifier, state = pkce.new_verifier(), secrets.token_urlsafe(32)
    request = authorization.AuthorizationRequest(
        client_id=registration.client_id,
        redirect_uri=redirect,
        state=state,
        code_challenge=pkce.challenge(verifier),
        resource=discovery.resource,
        scopes=scopes,
    )
    return PendingAuthorization(
        url=request.url(metadata.authorization_endpoint),
        issuer=metadata.issuer,
        resource=discovery.resource,
        server_url=discovery.server_url,
        token_endpoint=metadata.token_endpoint,
        client_id=registration.client_id,
        redirect_uri=redirect,
        scopes=scopes,
        iss_advertised=metadata.authorization_response_iss_parameter_supported,
        revocation_endpoint=metadata.revocation_endpoint,
        state=state,
        code_verifier=verifier,
    )
