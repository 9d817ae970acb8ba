"""Authorization server metadata: where it lies, what it says, when it must not be used.

Spec: RFC 8414, OpenID Connect Discovery 1.0, MCP 2026-07-28 Authorization Server Metadata Discovery.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from mcp_demo.oauth.errors import InsecureUrl, IssuerMismatch, MetadataInvalid, PkceUnsupported
from mcp_demo.oauth.resource import is_secure_url

OAUTH = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "registration_endpoint", "revocation_endpoint")


@dataclass(frozen=True, slots=True)
class ServerMetadata:
    """The members of a metadata document that MCP uses (RFC 8414 §2); None or () where a member is absent."""

    issuer: str
    token_endpoint: str
    authorization_endpoint: str | None = None
    registration_endpoint: str | None = None
    revocation_endpoint: str | None = None
    jwks_uri: str | None = None
    scopes_supported: tuple[str, ...] = ()
    response_types_supported: tuple[str, ...] = ()
    grant_types_supported: tuple[str, ...] = ()
    code_challenge_methods_supported: tuple[str, ...] = ()
    token_endpoint_auth_methods_supported: tuple[str, ...] = ()
    token_endpoint_auth_signing_alg_values_supported: tuple[str, ...] = ()
    authorization_response_iss_parameter_supported: bool = False
    client_id_metadata_document_supported: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The document as published: members without a value are left out (RFC 8414 §3.2)."""
        members: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return {
            name: list(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else value
            for name, value in members.items()
            if value
        }


def candidate_urls(issuer: str) -> tuple[str, ...]:
    """Where the metadata of an issuer may lie, in the order in which to try.

    With a path: RFC 8414 inserted, OpenID inserted, OpenID appended. Without: RFC 8414, then OpenID.

    Spec: MCP 2026-07-28, Authorization Server Metadata Discovery; RFC 8414 §3.1 and §5.
    """
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    if not path:
        return (origin + OAUTH, origin + OPENID)
    return (origin + OAUTH + path, origin + OPENID + path, origin + path + OPENID)


def parse(document: object, *, expected_issuer: str) -> ServerMetadata:
    """The metadata of a parsed JSON document that was fetched for an issuer.

    Raises:
        MetadataInvalid: A required member is missing, or one has the wrong type.
        IssuerMismatch: `issuer` differs from the identifier used to build the URL (RFC 8414 §3.3).
        InsecureUrl: An endpoint is plain http off loopback.
    """
    if not isinstance(document, Mapping):
        raise MetadataInvalid("The authorization server metadata is not a JSON object.")
    members = cast("Mapping[str, Any]", document)
    issuer = members.get("issuer")
    if issuer != expected_issuer:
        raise IssuerMismatch(f"The metadata names the issuer {issuer!r}, but it was fetched for {expected_issuer!r}.")
    for name in _ENDPOINTS:
        url = members.get(name)
        if url is not None and not (isinstance(url, str) and is_secure_url(url)):
            raise InsecureUrl(f"`{name}` is not an https URL.")
    if "token_endpoint" not in members:
        raise MetadataInvalid("The authorization server metadata has no `token_endpoint`.")
    values = {name: _member(members, name) for name in ServerMetadata.__slots__ if members.get(name) is not None}
    return ServerMetadata(**values)


def require_s256(metadata: ServerMetadata) -> None:
    """Refuse an authorization server that does not advertise PKCE with S256.

    Spec: MCP 2026-07-28, Authorization Code Protection.

    Raises:
        PkceUnsupported: `code_challenge_methods_supported` is absent or lacks S256.
    """
    if "S256" not in metadata.code_challenge_methods_supported:
        raise PkceUnsupported(
            f"{metadata.issuer} does not list S256 in `code_challenge_methods_supported`, so its codes are unprotected."
        )


def _member(members: Mapping[str, Any], name: str) -> Any:
    value = members[name]
    annotation = str(ServerMetadata.__annotations__[name])
    if "tuple" in annotation:
        if isinstance(value, list) and all(isinstance(item, str) for item in cast("list[Any]", value)):
            return tuple(cast("list[str]", value))
        raise MetadataInvalid(f"`{name}` is not an array of strings.")
    if not isinstance(value, bool if "bool" in annotation else str):
        raise MetadataInvalid(f"`{name}` has the wrong type.")
    return value
