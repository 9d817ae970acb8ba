"""Everything that can go wrong between a client and the servers it talks to, and in which layer.

    ClientError               knows its layer and, where there is one, a cure
    ├── DiscoveryFailed       no usable metadata at any of the places where it may lie
    ├── RegistrationFailed    the authorization server refused to register us, or cannot
    ├── IssuerChanged         the credentials we were given belong to another authorization server
    ├── IssuerChoiceNeeded    a person has to choose among authorization servers, on a page
    ├── SignInNeeded          a person has to sign in, and nobody is there to do it
    ├── SignInFailed          the browser leg ended without a response
    │   └── PasswordWithheld  the password was asked for at an origin that nobody named
    ├── StepUpExhausted       the server keeps asking for scopes that it has been given
    ├── Unauthorized          the server refuses a token that was issued for it a moment ago
    ├── StoreUnavailable      grants cannot be kept: no keyring, or a file that cannot be written
    └── CallFailed            the MCP server answered, and the answer is an error

Errors of the protocol itself are in `mcp_demo.oauth.errors`; `explain` puts all of them into plain words.
"""

from collections.abc import Sequence
from typing import ClassVar

from mcp_demo.client.pending import PendingAuthorization
from mcp_demo.exchange.redact import redact_text
from mcp_demo.oauth.errors import ErrorResponse, ProtocolViolation, ResponseInvalid


class ClientError(Exception):
    """The base: what happened, in one sentence, and what to do about it."""

    layer: ClassVar[str] = "client"
    cure: ClassVar[str] = ""


class DiscoveryFailed(ClientError):
    """No usable metadata was found."""

    layer = "discovery"
    cure = "Check the URL of the MCP server; its well-known documents have to be reachable."


class RegistrationFailed(ClientError):
    """The authorization server does not know this client, and it cannot be introduced."""

    layer = "client registration"
    cure = "Give a client id that was registered beforehand."


class IssuerChanged(ClientError):
    """The resource names another authorization server than the one our credentials are from (SEP-2352)."""

    layer = "client registration"
    cure = "Ask the operator whether this is meant, then register with the new authorization server."


class SignInNeeded(ClientError):
    """Somebody has to sign in. Web clients catch it and redirect."""

    layer = "sign-in"
    cure = "Sign in."

    def __init__(self, pending: PendingAuthorization) -> None:
        super().__init__("This needs somebody to sign in.")
        self.pending = pending


class IssuerChoiceNeeded(ClientError):
    """Somebody has to choose among authorization servers. Web clients catch it and ask on their page."""

    layer = "discovery"
    cure = "Choose one."

    def __init__(self, offered: Sequence[str]) -> None:
        super().__init__("The MCP server relies on several authorization servers.")
        self.offered = tuple(offered)


class SignInFailed(ClientError):
    """The browser leg ended without an authorization response."""

    layer = "sign-in"
    cure = "Try again, and finish signing in before the time is up."


class PasswordWithheld(SignInFailed):
    """A page asked for the password at an origin where it may not be typed."""

    cure = "If that is where the password belongs, name it: --sign-in-at, or `origins` of HeadlessBrowser."


class StepUpExhausted(ClientError):
    """Step-up does not lead anywhere (MCP 2026-07-28 Authorization › Step-Up Authorization Flow)."""

    layer = "MCP server"
    cure = "The account may lack the permission, or the server asks for scopes that it never accepts."


class Unauthorized(ClientError):
    """A fresh token is refused."""

    layer = "MCP server"
    cure = "Issuer, audience or clock of the server and of the authorization server do not fit together."


class StoreUnavailable(ClientError):
    """Grants cannot be kept where they should be."""

    layer = "storage"
    cure = "Make room on the disk, or name a file that can be written; for a keyring, install mcp-demo[keyring]."


class CallFailed(ClientError):
    """The MCP server answered with an error."""

    layer = "MCP server"


_WORDS = {
    "access_denied": "The request was refused, at the consent page or by the authorization server.",
    "invalid_scope": "The authorization server does not give out the permissions that were asked for.",
    "invalid_client": "The authorization server does not know this client.",
    "invalid_grant": "The sign-in is too old, or was used already.",
    "invalid_target": "The authorization server does not issue tokens for this MCP server.",
    "temporarily_unavailable": "The authorization server is busy.",
    "server_error": "The authorization server has a problem of its own.",
}


def explain(error: Exception) -> tuple[str, str, str]:
    """An error for people: (layer that failed, what happened, what to do)."""
    if isinstance(error, ClientError):
        return error.layer, redact_text(str(error)), error.cure
    if isinstance(error, ErrorResponse):
        words = _WORDS.get(error.error, "The authorization server refused.")
        detail = f" It says: {redact_text(error.description)}" if error.description else ""
        return "authorization server", f"{words}{detail} ({redact_text(error.error)})", "Try again from the start."
    if isinstance(error, ResponseInvalid):
        return "authorization server", redact_text(str(error)), "It seems to be out of order; try again later."
    if isinstance(error, ProtocolViolation):
        cure = "This may be an attack or a misconfigured server; nothing was sent on."
        return "protocol check of this client", redact_text(str(error)), cure
    return (
        "network",
        f"{type(error).__name__}: {redact_text(str(error))}",
        "Check that the servers are up and reachable.",
    )
