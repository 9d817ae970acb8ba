"""Everything that can go wrong in the protocol.

    OAuthError            an error that travels on the wire, with a registered code
    ├── InvalidRequest · InvalidClient · InvalidGrant · UnauthorizedClient · UnsupportedGrantType
    ├── UnsupportedResponseType · InvalidScope · AccessDenied · InvalidTarget
    ├── ServerError · TemporarilyUnavailable
    ├── InvalidRedirectUri · InvalidClientMetadata
    └── InvalidToken · InsufficientScope · InvalidDpopProof
    ProtocolViolation     something a peer sent that we refuse to act on
    ├── MetadataInvalid · IssuerMismatch · ResourceMismatch · PkceUnsupported
    └── StateMismatch · InsecureUrl · ResponseInvalid
    ErrorResponse         an error that an authorization server told us, as a client sees it

Spec: RFC 6749 §4.1.2.1 and §5.2, RFC 6750 §3.1, RFC 7591 §3.2.2, RFC 8707 §2, RFC 9449 §5.
"""

import re
from typing import ClassVar

_OUTSIDE_GRAMMAR = re.compile(r"[^\x20\x21\x23-\x5B\x5D-\x7E]")


class OAuthError(Exception):
    """An error as OAuth puts it on the wire: `error`, `error_description` and an HTTP status.

    A description may quote what a stranger sent. Characters that RFC 6749 §5.2 and RFC 6750 §3 do not allow in it are
    replaced, so that it fits a JSON body, a redirect and a challenge alike.
    """

    error: ClassVar[str] = "server_error"
    status: int = 400

    def __init__(self, description: str, *, status: int | None = None) -> None:
        self.description = _OUTSIDE_GRAMMAR.sub("?", description.replace('"', "'"))
        super().__init__(self.description)
        if status is not None:
            self.status = status

    def as_dict(self) -> dict[str, str]:
        """The JSON members of an error response (RFC 6749 §5.2)."""
        return {"error": self.error, "error_description": self.description}


class InvalidRequest(OAuthError):
    """A parameter is missing, repeated or malformed (RFC 6749 §5.2)."""

    error = "invalid_request"


class InvalidClient(OAuthError):
    """Client authentication failed, or the client is unknown (RFC 6749 §5.2)."""

    error = "invalid_client"
    status = 401


class InvalidGrant(OAuthError):
    """The code or refresh token is dead, or was issued to somebody else (RFC 6749 §5.2)."""

    error = "invalid_grant"


class UnauthorizedClient(OAuthError):
    """The client may not use this grant (RFC 6749 §5.2)."""

    error = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    """The grant type is not offered (RFC 6749 §5.2)."""

    error = "unsupported_grant_type"


class UnsupportedResponseType(OAuthError):
    """The response type is not offered (RFC 6749 §4.1.2.1)."""

    error = "unsupported_response_type"


class InvalidScope(OAuthError):
    """The scope is unknown, malformed, or beyond what the client may have (RFC 6749 §5.2)."""

    error = "invalid_scope"


class AccessDenied(OAuthError):
    """The resource owner or the server said no (RFC 6749 §4.1.2.1)."""

    error = "access_denied"
    status = 403


class InvalidTarget(OAuthError):
    """The resource is not one this server issues tokens for (RFC 8707 §2)."""

    error = "invalid_target"


class ServerError(OAuthError):
    """Our own fault (RFC 6749 §4.1.2.1)."""

    error = "server_error"
    status = 500


class TemporarilyUnavailable(OAuthError):
    """Something we depend on does not answer (RFC 6749 §4.1.2.1)."""

    error = "temporarily_unavailable"
    status = 503


class InvalidRedirectUri(OAuthError):
    """A redirect URI in a registration is not acceptable (RFC 7591 §3.2.2)."""

    error = "invalid_redirect_uri"


class InvalidClientMetadata(OAuthError):
    """Another member of a registration is not acceptable (RFC 7591 §3.2.2)."""

    error = "invalid_client_metadata"


class InvalidToken(OAuthError):
    """The access token is expired, revoked, malformed or meant for somebody else (RFC 6750 §3.1)."""

    error = "invalid_token"
    status = 401


class InsufficientScope(OAuthError):
    """The access token is good but does not cover the operation (RFC 6750 §3.1).

    Args:
        description: What is missing, in words.
        scopes: All scopes the operation needs.
    """

    error = "insufficient_scope"
    status = 403

    def __init__(self, description: str, scopes: tuple[str, ...]) -> None:
        super().__init__(description)
        self.scopes = scopes


class InvalidDpopProof(OAuthError):
    """The DPoP proof does not prove anything about its request (RFC 9449 §5 and §7.1)."""

    error = "invalid_dpop_proof"


class ProtocolViolation(Exception):
    """A peer sent something that we must not act on."""


class MetadataInvalid(ProtocolViolation):
    """A metadata document is not what its specification asks for."""


class IssuerMismatch(ProtocolViolation):
    """An issuer differs from the one recorded (RFC 8414 §3.3, RFC 9207 §2.4)."""


class ResourceMismatch(ProtocolViolation):
    """A resource identifier differs from the server being accessed (RFC 9728 §3.3)."""


class PkceUnsupported(ProtocolViolation):
    """The authorization server does not say that it supports S256 (MCP, Authorization Code Protection)."""


class StateMismatch(ProtocolViolation):
    """An authorization response carries no `state`, or not ours (RFC 6749 §10.12)."""


class InsecureUrl(ProtocolViolation):
    """A URL would carry credentials over plain http off loopback (RFC 6749 §3.1)."""


class ResponseInvalid(ProtocolViolation):
    """A response of the authorization server is not what its specification asks for."""


class ErrorResponse(Exception):
    """An error that an authorization server told us, as a client sees it (RFC 6749 §4.1.2.1 and §5.2).

    Control characters are replaced: what a server sends ends up in terminals.

    Args:
        error: The registered code.
        description: `error_description`, if any.
        status: The HTTP status, or None for an error that came through the browser.
    """

    def __init__(self, error: str, description: str | None = None, *, status: int | None = None) -> None:
        self.error = printable(error)
        self.description = None if description is None else printable(description)
        super().__init__(f"{self.error}: {self.description}" if description else self.error)
        self.status = status


def printable(text: str) -> str:
    """What a server said, fit for a terminal: control characters, and marks that turn the direction, become `?`."""
    return "".join(character if character.isprintable() else "?" for character in text)
