"""Clients the suite acts as, what they are granted, and the OAuth members of answers (RFC 6749, RFC 7591)."""

import json
from dataclasses import dataclass, field
from typing import Any, cast

from conformance.issuer import decode
from conformance.journey import Journey
from conformance.views.answers import json_body, members, status
from mcp_demo.exchange.model import Exchange

WEB = "https://client.conformance.example/callback"
NATIVE = "http://127.0.0.1:49152/callback"
LOCAL = "http://localhost:49152/callback"
VERIFIER = "conformance-verifier-0123456789-abcdefghijklmnopq"
STATE = "conformance-state"
LONG_STATE = ("state &=+/?#%25 ünï✓ \"<>' " * 30)[:600]
"""A state with everything in it that is easily mangled."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client the suite can act as."""

    client_id: str
    redirect_uri: str
    secret: str | None = field(default=None, repr=False)
    method: str = "none"
    trusted: bool = False

    @property
    def name(self) -> str:
        """What it is called in reports."""
        return "confidential client" if self.secret else "client"


@dataclass(frozen=True, slots=True)
class Grant:
    """A completed login: the way, the code, and what the client needs to redeem it."""

    client: Client
    journey: Journey
    code: str
    verifier: str = field(repr=False, default=VERIFIER)


def registered(exchange: Exchange) -> dict[str, Any]:
    """The members of a registration response that says a client was made."""
    found = json_body(exchange) if status(exchange) in (200, 201) else None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def tokens(exchange: Exchange) -> dict[str, Any]:
    """The members of a successful token response, else nothing."""
    found = members(exchange) or {}
    return found if "access_token" in found else {}


def error_of(exchange: Exchange) -> str | None:
    """The OAuth error code of a JSON error response."""
    found = json_body(exchange)
    value = cast("dict[str, Any]", found).get("error") if isinstance(found, dict) else None
    return value if isinstance(value, str) else None


def claims_of(found: dict[str, Any]) -> dict[str, Any] | None:
    """The claims of an access token, unverified; None if it is no JWT."""
    try:
        claims: Any = json.loads(decode(str(found.get("access_token")).split(".")[1]))
    except (IndexError, ValueError):
        return None
    return cast("dict[str, Any]", claims) if isinstance(claims, dict) else None


def scopes_of(found: dict[str, Any]) -> list[str] | None:
    """The scopes of the token itself, else what the response says."""
    named: Any = (claims_of(found) or {}).get("scope") or found.get("scope")
    return named.split() if isinstance(named, str) else None
