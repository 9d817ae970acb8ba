"""`/.well-known/oauth-authorization-server`: what this bridge is and does, and nothing it does not.

There is no OpenID Connect discovery document: the bridge issues no ID tokens, and a client that believed it did would
fail later and less clearly.

Spec: RFC 8414 §2 and §3.2, RFC 9207 §3.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mcp_demo.bridge import scopes
from mcp_demo.bridge.context import Bridge, bridge_of
from mcp_demo.oauth import client_assertion
from mcp_demo.oauth.server_metadata import ServerMetadata
from mcp_demo.registry.model import AUTH_METHODS


async def metadata(request: Request) -> Response:
    """The metadata document."""
    described = describe(bridge_of(request)).as_dict()
    # Silence would mean client_secret_basic only (RFC 8414 §2).
    methods = {"revocation_endpoint_auth_methods_supported": described["token_endpoint_auth_methods_supported"]}
    return JSONResponse({**described, **methods}, headers={"Cache-Control": "public, max-age=60"})


def describe(bridge: Bridge) -> ServerMetadata:
    """The members of the document."""
    issuer = bridge.issuer
    return ServerMetadata(
        issuer=issuer,
        authorization_endpoint=f"{issuer}/authorize",
        token_endpoint=f"{issuer}/token",
        scopes_supported=scopes.supported(bridge.settings.mcp_url),
        response_types_supported=("code",),
        grant_types_supported=("authorization_code", "refresh_token"),
        code_challenge_methods_supported=("S256",),
        token_endpoint_auth_methods_supported=AUTH_METHODS,
        token_endpoint_auth_signing_alg_values_supported=client_assertion.ALGORITHMS,
        registration_endpoint=bridge.settings.registration_endpoint,
        revocation_endpoint=f"{issuer}/revoke",
        authorization_response_iss_parameter_supported=True,
        client_id_metadata_document_supported=bridge.settings.metadata_documents,
    )
