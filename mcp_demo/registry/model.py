"""A registered client, and what a registry of clients does (RFC 7591 §2, RFC 7592).

Three ways lead into one shape: clients that an administrator registered, clients that a metadata document describes,
and clients that registered themselves. Secrets never enter it: only their hashes do.

Only the standard library is used here, because the Lambda functions ship this module.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast, get_args

from mcp_demo.oauth.client_metadata import ClientMetadata
from mcp_demo.oauth.redirect_uri import is_loopback
from mcp_demo.oauth.token import AuthMethod

Source = Literal["pre-registered", "cimd", "dcr"]
Status = Literal["active", "pending", "denied"]
ApplicationType = Literal["web", "native"]

AUTH_METHODS: tuple[AuthMethod, ...] = get_args(AuthMethod)
DAY = 86_400


def new_secret() -> str:
    """A secret with 256 bits of entropy: a client secret, or a registration access token."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """What is stored of a secret.

    One round of SHA-256 is right for secrets that `new_secret` made: there is nothing to guess that slow hashing would
    protect. Never use it for something a person chose.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def secret_matches(secret: str | None, stored_hash: str | None) -> bool:
    """Whether a presented secret is the one whose hash is stored; takes equally long for every wrong one."""
    if secret is None or stored_hash is None:
        return False
    return hmac.compare_digest(hash_secret(secret), stored_hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client as the registry keeps it.

    Args:
        client_id: Its identifier; for a client with a metadata document, the URL of the document.
        redirect_uris: Where responses may go; compare with `mcp_demo.oauth.redirect_uri.is_registered`.
        client_name: What it calls itself. Claimed, not proven: show it beside a host name, never alone.
        client_uri: Its home page, as claimed.
        scopes: The most it may ask for. Empty: everything the server offers.
        token_endpoint_auth_method: How it authenticates at the token endpoint.
        grant_types: The grants it may use.
        application_type: `web` or `native` (OpenID Connect Dynamic Client Registration 1.0 §2).
        secret_hash: `hash_secret` of its client secret, if it has one.
        jwks: Its public keys, for `private_key_jwt`.
        jwks_uri: Where its public keys are.
        source: Which way it came.
        status: Only an `active` client may be used; the others wait for, or met, an administrator's decision.
        review: The number of the review that it waits for, or last waited for; a link to decide is good for one.
        created: When it was registered, in seconds since the epoch.
        last_used: When it was last seen, to within a day.
        lifetime: Seconds without use after which it expires; None for never.
        expires: When it expires unless it is used before; None for never.
        registration_access_token_hash: `hash_secret` of the token for managing the registration (RFC 7592 §3).
        upstream_client_id: Its own app client in the user pool; None when it shares the bridge's.
    """

    client_id: str
    redirect_uris: tuple[str, ...]
    client_name: str | None = None
    client_uri: str | None = None
    scopes: tuple[str, ...] = ()
    token_endpoint_auth_method: AuthMethod = "none"  # noqa: S105 (the name of a method)
    grant_types: tuple[str, ...] = ("authorization_code", "refresh_token")
    application_type: ApplicationType = "web"
    secret_hash: str | None = field(default=None, repr=False)
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None
    source: Source = "pre-registered"
    status: Status = "active"
    review: str | None = None
    created: float = 0.0
    last_used: float = 0.0
    lifetime: int | None = None
    expires: float | None = None
    registration_access_token_hash: str | None = field(default=None, repr=False)
    upstream_client_id: str | None = None

    @classmethod
    def from_metadata(cls, client_id: str, metadata: ClientMetadata, *, source: Source) -> "Client":
        """A client as its metadata describes it; without `application_type`, its redirect URIs tell which it is."""
        https = any(uri.lower().startswith("https:") for uri in metadata.redirect_uris)
        return cls(
            client_id=client_id,
            redirect_uris=metadata.redirect_uris,
            client_name=metadata.client_name,
            client_uri=metadata.client_uri,
            scopes=metadata.scope,
            token_endpoint_auth_method=cast("AuthMethod", metadata.token_endpoint_auth_method),
            grant_types=metadata.grant_types,
            application_type=cast("ApplicationType", metadata.application_type or ("web" if https else "native")),
            jwks=metadata.jwks,
            jwks_uri=metadata.jwks_uri,
            source=source,
        )

    @property
    def loopback_only(self) -> bool:
        """Whether any program on the person's machine could receive the response (MCP, Localhost Redirect Risks)."""
        return bool(self.redirect_uris) and all(is_loopback(uri) for uri in self.redirect_uris)

    def is_expired(self, now: float) -> bool:
        """Whether nobody used it for its whole lifetime."""
        return self.expires is not None and self.expires <= now

    def is_usable(self, now: float) -> bool:
        """Whether it may start or continue an authorization."""
        return self.status == "active" and not self.is_expired(now)

    def is_public(self) -> bool:
        """Whether it cannot keep a secret (OAuth 2.1 §2.1)."""
        return self.token_endpoint_auth_method == "none"  # noqa: S105 (the name of a method)

    def proves(self, secret: str | None) -> bool:
        """Whether a presented client secret is this client's, compared in constant time."""
        return secret_matches(secret, self.secret_hash)


class ClientExists(Exception):
    """The client id is taken."""


class RegistryFull(Exception):
    """The registry holds as many self-registered clients as it is allowed to."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list of clients, and where the next part starts; `after` is None on the last one."""

    clients: tuple[Client, ...]
    after: str | None = None


class Registry(Protocol):
    """Where clients are found. All calls block: async code runs them in a thread."""

    def get(self, client_id: str) -> Client | None:
        """A client, whatever its status; None if it is unknown. Ask `is_usable` before acting on it."""
        ...

    def list(self, *, after: str | None = None, limit: int = 100) -> Page:
        """A page of at most `limit` clients, starting behind the one that `Page.after` named."""
        ...

    def touch(self, client: Client, now: float) -> None:
        """Note that a client was used, which postpones its expiry. Writes at most once a day for each client."""
        ...


class WritableRegistry(Registry, Protocol):
    """A registry that clients can be added to."""

    def add(self, client: Client, *, limit: int | None = None) -> None:
        """Store a new client.

        Raises:
            ClientExists: The client id is taken.
            RegistryFull: `limit` self-registered clients are stored already.
        """
        ...

    def replace(self, client: Client, *, was: Client) -> bool:
        """Store a changed client; False, and nothing stored, if it was deleted or decided upon in the meantime."""
        ...

    def delete(self, client: Client) -> bool:
        """Remove a client; False if it is gone already."""
        ...
