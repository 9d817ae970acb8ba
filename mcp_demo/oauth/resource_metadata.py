"""Protected Resource Metadata: where it lies, what it says, when it must not be used (RFC 9728)."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from mcp_demo.oauth.errors import MetadataInvalid, ResourceMismatch
from mcp_demo.oauth.members import json_object, text, texts

WELL_KNOWN = "/.well-known/oauth-protected-resource"


@dataclass(frozen=True, slots=True)
class ResourceMetadata:
    """The members of a metadata document that MCP uses (RFC 9728 §2)."""

    resource: str
    authorization_servers: tuple[str, ...]
    scopes_supported: tuple[str, ...] = ()
    bearer_methods_supported: tuple[str, ...] = ()
    resource_name: str | None = None
    resource_documentation: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The document as published: members without a value are left out (RFC 9728 §3.2)."""
        members: dict[str, Any] = {
            "resource": self.resource,
            "resource_name": self.resource_name,
            "resource_documentation": self.resource_documentation,
            "authorization_servers": list(self.authorization_servers),
            "scopes_supported": list(self.scopes_supported),
            "bearer_methods_supported": list(self.bearer_methods_supported),
        }
        return {name: value for name, value in members.items() if value}


def well_known_url(resource: str) -> str:
    """The metadata URL of a resource: the well-known path inserted between host and path (RFC 9728 §3.1)."""
    parts = urlsplit(resource)
    path = "" if parts.path == "/" else parts.path
    return urlunsplit((parts.scheme, parts.netloc, WELL_KNOWN + path, parts.query, ""))


def candidate_urls(server_url: str) -> tuple[str, ...]:
    """Where to look when the challenge names no metadata URL: first the path form, then the root.

    Spec: MCP 2026-07-28, Protected Resource Metadata Discovery Requirements.
    """
    parts = urlsplit(server_url)
    root = urlunsplit((parts.scheme, parts.netloc, WELL_KNOWN, "", ""))
    return tuple(dict.fromkeys((well_known_url(server_url), root)))


def parse(document: object) -> ResourceMetadata:
    """The metadata of a parsed JSON document.

    Raises:
        MetadataInvalid: A member that MCP requires is missing, or one has the wrong type.
    """
    members = json_object(document, "protected resource metadata", MetadataInvalid)
    resource = text(members, "resource", MetadataInvalid)
    if resource is None:
        raise MetadataInvalid("The protected resource metadata has no `resource`.")
    servers = texts(members, "authorization_servers", MetadataInvalid)
    if not servers:
        raise MetadataInvalid("The protected resource metadata names no authorization server.")
    return ResourceMetadata(
        resource=resource,
        authorization_servers=servers,
        scopes_supported=texts(members, "scopes_supported", MetadataInvalid),
        bearer_methods_supported=texts(members, "bearer_methods_supported", MetadataInvalid),
        resource_name=text(members, "resource_name", MetadataInvalid),
        resource_documentation=text(members, "resource_documentation", MetadataInvalid),
    )


def validate_resource(metadata: ResourceMetadata, server_url: str, *, found_at: str | None = None) -> None:
    """Refuse metadata that speaks of another resource than the one being accessed.

    Byte for byte (RFC 9728 §3.3). A document at the root well-known URL may speak for the origin, written with or
    without its slash, since that is the identifier its URL is derived from.

    Args:
        metadata: The metadata.
        server_url: The URL requests to the resource are sent to.
        found_at: The well-known URL at which we looked ourselves. To be left out where a challenge named the URL: then
            `resource` has to be the server URL and nothing else.

    Raises:
        ResourceMismatch: `resource` names something else.
    """
    accepted = {server_url}
    parts = urlsplit(server_url)
    origin = f"{parts.scheme}://{parts.netloc}"
    if found_at == origin + WELL_KNOWN:
        accepted |= {origin, origin + "/"}
    if metadata.resource not in accepted:
        raise ResourceMismatch(
            f"The metadata speaks of {metadata.resource!r}, but the server being accessed is {server_url!r}."
        )
