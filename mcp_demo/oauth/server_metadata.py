"""Authorization server metadata: where it lies, what it says, when it must not be used.

Spec: RFC 8414, OpenID Connect Discovery 1.0, MCP 2026-07-28 Authorization Server Metadata Discovery.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from typing import Any, cast
from urllib.parse import urlsplit

from mcp_demo.oauth.errors import InsecureUrl, IssuerMismatch, MetadataInvalid, PkceUnsupported
from mcp_demo.oauth.members import json_object, text, texts
from mcp_demo.oauth.resource import is_secure_url

OAUTH = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
_URLS = ("authorization_endpoint", "token_endpoint", "registration_endpoint", "revocation_endpoint", "jwks_uri")


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

    Spec: MCP 2026-07-28, Authorization Server Metadata Discovery; RFC 8414 §2, §3.1 and §5.

    Raises:
        InsecureUrl: The issuer is plain http off loopback, or no URL at all.
        MetadataInvalid: The issuer has a query or a fragment.
    """
    if not is_secure_url(issuer):
        raise InsecureUrl(f"The issuer {issuer[:200]!r} is not an https URL.")
    if "?" in issuer or "#" in issuer:
        raise MetadataInvalid(f"The issuer {issuer[:200]!r} has a query or a fragment.")
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
    members = json_object(document, "authorization server metadata", MetadataInvalid)
    issuer = members.get("issuer")
    if issuer != expected_issuer:
        named = str(issuer)[:200]
        raise IssuerMismatch(f"The metadata names the issuer {named!r}, but it was fetched for {expected_issuer!r}.")
    for name in _URLS:
        url = text(members, name, MetadataInvalid)
        if url is not None and not is_secure_url(url):
            raise InsecureUrl(f"`{name}` is not an https URL.")
        if url is not None and "#" in url:
            raise MetadataInvalid(f"`{name}` has a fragment.")
    if not members.get("token_endpoint"):
        raise MetadataInvalid("The authorization server metadata has no `token_endpoint`.")
    return ServerMetadata(**{field.name: _member(members, field) for field in fields(ServerMetadata)})


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


def _member(members: Mapping[str, Any], field: Field[Any]) -> Any:
    """A member, its type known by what stands for its absence: () for arrays, False for flags."""
    if field.default == ():
        return texts(members, field.name, MetadataInvalid)
    if field.default is not False:
        return text(members, field.name, MetadataInvalid)
    value = members.get(field.name)
    if value is not None and not isinstance(value, bool):
        raise MetadataInvalid(f"`{field.name}` is neither true nor false.")
    return bool(value)
