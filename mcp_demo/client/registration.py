"""How a client becomes known to an authorization server.

Spec: MCP 2026-07-28 Client Registration; RFC 7591, CIMD §3.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from joserfc.jwk import ECKey

from mcp_demo.client.credentials import ClientKey
from mcp_demo.client.errors import IssuerChanged, RegistrationFailed
from mcp_demo.client.events import Flow, Step, fetch
from mcp_demo.client.registration_answer import Answer, read
from mcp_demo.client.revision import NEWEST, Revision, knows
from mcp_demo.exchange.model import Request
from mcp_demo.oauth import redirect_uri, scopes
from mcp_demo.oauth.resource import is_secure_url
from mcp_demo.oauth.server_metadata import ServerMetadata
from mcp_demo.oauth.token import AuthMethod, TokenType

Way = Literal["pre-registered", "metadata document", "dynamic"]


@dataclass(frozen=True, slots=True)
class Registration:
    """What an authorization server calls us. Valid for this issuer only (SEP-2352)."""

    issuer: str
    client_id: str
    way: Way
    method: AuthMethod = "none"
    redirect_uris: tuple[str, ...] = ()
    client_secret: str | None = field(default=None, repr=False)
    secret_expires_at: int = 0
    registration_client_uri: str | None = None
    registration_access_token: str | None = field(default=None, repr=False)
    token_type: TokenType = "Bearer"  # noqa: S105 - the name of a type


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a client is, whichever authorization server it meets.

    Args:
        client_name: What the consent page shows.
        client_id: A client id that was registered beforehand.
        client_secret: Its secret.
        issuer: The authorization server these two are from, and the only one to go to; unknown, the first one met.
        method: How the client authenticates at the token endpoint, where metadata leaves the choice.
        metadata_url: The https URL of our Client ID Metadata Document.
        dynamic: Whether to register where neither of these helps.
        scopes: Scopes to name in a dynamic registration.
        ask: Asks the person for a client id and a secret, as a last resort.
        key: The private key to authenticate with, instead of a secret, where the public one is known (RFC 7523 §2.2).
        dpop_key: A P-256 key for tokens to be bound to; bearer tokens are then refused (RFC 9449 §5).
    """

    client_name: str = "mcp-demo"
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    issuer: str | None = None
    method: AuthMethod | None = None
    metadata_url: str | None = None
    dynamic: bool = True
    scopes: tuple[str, ...] = ()
    ask: Callable[[str], tuple[str, str | None]] | None = None
    key: ClientKey | None = field(default=None, repr=False)
    dpop_key: ECKey | None = field(default=None, repr=False)

    @property
    def token_type(self) -> TokenType:
        """What kind of access token the client takes."""
        return "Bearer" if self.dpop_key is None else "DPoP"


def register(
    identity: Identity,
    metadata: ServerMetadata,
    redirect: str,
    known: Registration | None,
    now: float,
    revision: Revision = NEWEST,
) -> Flow[Registration]:
    """The registration to use: pre-registered, metadata document, dynamic, ask, in this order.

    Args:
        identity: Who we are.
        metadata: The authorization server.
        redirect: The redirect URI that will be used.
        known: What an earlier call returned for this issuer.
        now: The time, for secrets that expire.
        revision: What revision of MCP to go by.

    Spec: MCP 2026-07-28 Client Registration.

    Raises:
        IssuerChanged: The client is of another authorization server.
        RegistrationFailed: None of the ways leads in.
    """
    if identity.issuer not in (None, metadata.issuer):
        raise IssuerChanged(f"This client goes to {identity.issuer} only, but the MCP server relies on others.")
    if identity.client_id is not None:
        return _pre_registered(identity, metadata, identity.client_id, identity.client_secret)
    documents = metadata.client_id_metadata_document_supported and knows(revision, "metadata documents")
    if identity.metadata_url is not None and documents:
        proof: AuthMethod = "none" if identity.key is None else "private_key_jwt"
        return Registration(metadata.issuer, identity.metadata_url, "metadata document", proof)
    if known is not None and _is_usable(known, redirect, now):
        return known
    if identity.dynamic and metadata.registration_endpoint is not None:
        return (yield from _dynamic(identity, metadata, redirect, metadata.registration_endpoint, revision))
    if identity.ask is not None:
        return _pre_registered(identity, metadata, *identity.ask(metadata.issuer))
    raise RegistrationFailed(f"{metadata.issuer} neither registers clients by itself nor takes metadata documents.")


def deregister(registration: Registration) -> Flow[None]:
    """Take a dynamic registration back, where the server lets us (RFC 7592 §2.3)."""
    url, access_token = registration.registration_client_uri, registration.registration_access_token
    if url is None or access_token is None or not is_secure_url(url):
        return
    yield from fetch(
        Step(
            "Take the registration back",
            "The token that came with the registration allows to delete it.",
            "RFC 7592 §2.3",
            "client",
            "authorization server",
            "registration",
            Request("DELETE", url, (("authorization", f"Bearer {access_token}"),)),
        )
    )


def client_metadata(
    identity: Identity, redirects: Sequence[str], method: AuthMethod, revision: Revision = NEWEST
) -> dict[str, Any]:
    """The client metadata of a dynamic registration, and of a metadata document but for its `client_id`.

    Spec: RFC 7591 §2; MCP 2026-07-28 Client Registration › Application Type and Redirect URI Constraints.
    """
    native = any(not uri.startswith("https:") or redirect_uri.is_loopback(uri) for uri in redirects)
    members: dict[str, Any] = {
        "client_name": identity.client_name,
        "redirect_uris": list(redirects),
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
    }
    if knows(revision, "application type"):
        members["application_type"] = "native" if native else "web"
    if identity.scopes:
        members["scope"] = scopes.join(identity.scopes)
    if identity.key is not None:
        members["jwks"] = {"keys": [identity.key.public()]}
    if identity.dpop_key is not None:
        members["dpop_bound_access_tokens"] = True
    return members


def _pre_registered(
    identity: Identity, metadata: ServerMetadata, client_id: str, client_secret: str | None
) -> Registration:
    method = identity.method or _method(identity, metadata, with_secret=client_secret is not None)
    return Registration(metadata.issuer, client_id, "pre-registered", method, client_secret=client_secret)


def _method(identity: Identity, metadata: ServerMetadata, *, with_secret: bool) -> AuthMethod:
    """The method to use where nobody chose one; servers that list none support Basic (RFC 8414 §2)."""
    if identity.key is not None:
        return "private_key_jwt"
    if not with_secret:
        return "none"
    supported = metadata.token_endpoint_auth_methods_supported or ("client_secret_basic",)
    return "client_secret_basic" if "client_secret_basic" in supported else "client_secret_post"


def _is_usable(known: Registration, redirect: str, now: float) -> bool:
    alive = not known.secret_expires_at or now < known.secret_expires_at
    return known.way == "dynamic" and alive and redirect_uri.is_registered(redirect, known.redirect_uris)


def _dynamic(
    identity: Identity, metadata: ServerMetadata, redirect: str, endpoint: str, revision: Revision
) -> Flow[Registration]:
    supported = metadata.token_endpoint_auth_methods_supported
    without_secret = not supported or "none" in supported
    wanted = _method(identity, metadata, with_secret=not without_secret)
    body = json.dumps(client_metadata(identity, [redirect], wanted, revision)).encode()
    step = Step(
        "Register this client",
        "Nobody has introduced the client to this authorization server, so it introduces itself.",
        "RFC 7591 §3.1",
        "client",
        "authorization server",
        "registration",
        Request("POST", endpoint, (("content-type", "application/json"), ("accept", "application/json")), body),
    )
    response = yield from fetch(step)
    return _registered(read(response, metadata.issuer), metadata.issuer, redirect, wanted)


def _registered(answer: Answer, issuer: str, redirect: str, wanted: AuthMethod) -> Registration:
    # RFC 7591 §2: where the server does not say which method it registered, a secret means Basic.
    default: AuthMethod = "client_secret_basic" if answer.client_secret and wanted != "client_secret_post" else wanted
    return Registration(
        issuer=issuer,
        client_id=answer.client_id,
        way="dynamic",
        method=answer.token_endpoint_auth_method or default,
        redirect_uris=answer.redirect_uris or (redirect,),
        client_secret=answer.client_secret,
        secret_expires_at=answer.client_secret_expires_at,
        registration_client_uri=answer.registration_client_uri,
        registration_access_token=answer.registration_access_token,
    )
