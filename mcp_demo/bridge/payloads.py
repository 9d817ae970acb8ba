"""What the bridge puts in its envelopes on the way through one login, and how long each is good."""

from typing import ClassVar

from mcp_demo.bridge.envelope import Payload

LOGIN_SECONDS = 600
"""How long a person has on the consent page, and again between approval and return from the sign-in pages."""

REFRESH_SECONDS = 30 * 86_400
"""How long a login can be refreshed: `RefreshTokenValidity` of the bridge's app client."""


class CheckedRequest(Payload):
    """An authorization request of which everything was checked (RFC 6749 §4.1.1)."""

    purpose: ClassVar[str] = "checked"
    lifetime: ClassVar[int] = LOGIN_SECONDS

    client_id: str
    redirect_uri: str
    code_challenge: str
    scopes: tuple[str, ...]
    resource: str
    state: str | None = None


class ConsentTicket(Payload):
    """Travels in the consent form: the request, and the digest of the cookie of the browser that was shown it."""

    purpose: ClassVar[str] = "consent"
    lifetime: ClassVar[int] = LOGIN_SECONDS

    request: CheckedRequest
    browser: str


class UpstreamState(Payload):
    """Travels as `state` to the user pool and back: the approved request, and what ties it to one browser."""

    purpose: ClassVar[str] = "state"
    lifetime: ClassVar[int] = LOGIN_SECONDS

    request: CheckedRequest
    login: str
    browser: str


class CodeGrant(Payload):
    """The authorization code given to a client, around the user pool's own."""

    purpose: ClassVar[str] = "code"
    lifetime: ClassVar[int] = 300  # as long as the user pool's

    code: str
    family: str
    client_id: str
    redirect_uri_digest: str
    code_challenge: str
    scopes: tuple[str, ...]
    resource: str
    trace: str | None = None


class RefreshGrant(Payload):
    """The refresh token given to a client, around the user pool's own."""

    purpose: ClassVar[str] = "refresh"
    lifetime: ClassVar[int] = REFRESH_SECONDS

    refresh_token: str
    family: str
    generation: int
    expires: float
    client_id: str
    scopes: tuple[str, ...]
    resource: str
