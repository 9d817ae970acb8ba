"""The official SDK at its fastest: stateless, JSON answers, its own bearer layer, PyJWT with the key parsed once."""

import os
from collections.abc import Callable
from typing import Any

import jwt
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import ToolAnnotations
from pydantic import AnyHttpUrl
from starlette.types import ASGIApp

from benchmarks.issuer import SUBJECT
from benchmarks.served.peer_tools import tools


class PyJwtVerifier:
    """What the SDK leaves to its user, with PyJWT."""

    def __init__(self, issuer: str, resource: str, jwks_uri: str) -> None:
        self._issuer = issuer
        self._resource = resource
        self._keys = jwt.PyJWKClient(jwks_uri, lifespan=86_400)

    async def verify_token(self, token: str) -> AccessToken | None:
        """The token's content, or None if it is not for us."""
        try:
            key = self._keys.get_signing_key_from_jwt(token)
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=["RS256"], audience=self._resource, issuer=self._issuer
            )
        except jwt.PyJWTError:
            return None
        return AccessToken(
            token=token,
            client_id=claims["client_id"],
            scopes=claims["scope"].split(),
            expires_at=claims["exp"],
            resource=self._resource,
            subject=claims["sub"],
            claims=claims,
        )


def create_app() -> ASGIApp:
    """The app."""
    resource = os.environ["MCP_DEMO_MCP_URL"]
    server = MCPServer(
        "peer",
        token_verifier=PyJwtVerifier(os.environ["MCP_DEMO_ISSUER"], resource, os.environ["MCP_DEMO_JWKS_URI"]),
        auth=AuthSettings(
            issuer_url=AnyHttpUrl("https://login.example.com"),
            resource_server_url=AnyHttpUrl(resource),
            required_scopes=[f"{resource}/read"],
            validate_token_resource=False,  # PyJWT does
        ),
        log_level="WARNING",
        subscriptions=False,
    )
    return _app(server, _claims)


def create_open_app() -> ASGIApp:
    """The same without its bearer layer."""
    claims = {
        "sub": SUBJECT,
        "client_id": "somebody",
        "iss": os.environ["MCP_DEMO_ISSUER"],
        "scope": f"{os.environ['MCP_DEMO_MCP_URL']}/read",
        "exp": 4_000_000_000,
    }
    return _app(MCPServer("peer", log_level="WARNING", subscriptions=False), lambda: claims)


def _app(server: MCPServer, claims: Callable[[], dict[str, Any]]) -> ASGIApp:
    for title, tool in tools(claims).items():
        server.add_tool(tool, title=title, annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False))
    return server.streamable_http_app(
        stateless_http=True,
        json_response=True,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )


def _claims() -> dict[str, Any]:
    token = get_access_token()
    return (token.claims if token else None) or {}
