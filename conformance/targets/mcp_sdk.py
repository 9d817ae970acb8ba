# /// script
# requires-python = ">=3.11"
# dependencies = ["mcp==2.3.0", "pyjwt[crypto]==2.15.1"]
# ///
"""An MCP server made with the official Python SDK, as its documentation shows it: PyJWT verifies the tokens.

`uv run --script mcp_sdk.py`, with the environment variables that README.md lists.
"""

import os
from typing import Any
from urllib.parse import urlsplit

import jwt
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from pydantic import AnyHttpUrl

URL = os.environ["TARGET_URL"]
ISSUER = os.environ["TARGET_ISSUER"]
KEYS = jwt.PyJWKClient(os.environ["TARGET_JWKS_URI"])


class PyJwtVerifier:
    """What the SDK leaves to its user: signature, issuer, audience, times (RFC 7519, RFC 8707)."""

    async def verify_token(self, token: str) -> AccessToken | None:
        """The token's content, or None if it is not for us."""
        try:
            key = KEYS.get_signing_key_from_jwt(token)
            claims: dict[str, Any] = jwt.decode(token, key, algorithms=["RS256"], audience=URL, issuer=ISSUER)
        except jwt.PyJWTError:
            return None
        return AccessToken(
            token=token,
            client_id=str(claims.get("client_id")),
            scopes=str(claims.get("scope", "")).split(),
            expires_at=claims.get("exp"),
            resource=URL,
            subject=claims.get("sub"),
            claims=claims,
        )


server = MCPServer(
    "Known target",
    token_verifier=PyJwtVerifier(),
    auth=AuthSettings(
        issuer_url=AnyHttpUrl(os.environ["TARGET_AUTHORIZATION_SERVER"]),
        resource_server_url=AnyHttpUrl(URL),
        required_scopes=[os.environ["TARGET_SCOPE"]],
        validate_token_resource=True,
    ),
)


@server.tool()
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}."


if __name__ == "__main__":
    parts = urlsplit(URL)
    server.run("streamable-http", port=parts.port or 80, streamable_http_path=parts.path)
