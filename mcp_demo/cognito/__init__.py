"""What is particular to Amazon Cognito, as data and small functions.

Spec: Cognito docs › Scopes, M2M, and resource servers; Cognito docs › Using the access token.
"""

from typing import Final

SCOPE_NAMES: Final = ("read", "write")
"""The scopes that the MCP server's resource server defines, without its identifier."""

TOKEN_USE_CLAIM: Final = "token_use"  # noqa: S105 - a claim's name, not a password
"""The claim by which Cognito tells its JWTs apart; its access tokens carry no `typ` header."""

TOKEN_USE_ACCESS: Final = "access"  # noqa: S105 - a claim's value, not a password
"""Its value in an access token; an ID token says `id`."""

SIGNING_ALGORITHM: Final = "RS256"
"""The one algorithm Cognito signs with."""

CODE_LIFETIME: Final = 300
"""Seconds that an authorization code can be exchanged."""

MAX_CALLBACK_URLS: Final = 100
MAX_SCOPES_PER_CLIENT: Final = 50
MAX_APP_CLIENTS: Final = 1000
"""Per user pool; can be raised to 10,000."""


def scope(resource: str, name: str) -> str:
    """A custom scope in full: the resource server's identifier, a slash, the name of the scope."""
    return f"{resource}/{name}"


def scopes(resource: str) -> tuple[str, ...]:
    """All scopes of the MCP server in full, the least first."""
    return tuple(scope(resource, name) for name in SCOPE_NAMES)
