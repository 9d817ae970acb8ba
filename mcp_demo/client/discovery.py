"""From a 401 to the endpoints of the authorization server.

Spec: MCP 2026-07-28 Authorization Server Discovery; RFC 9728 §3 and §5, RFC 8414 §3.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from mcp_demo.client.errors import DiscoveryFailed
from mcp_demo.client.events import Flow, Step, fetch
from mcp_demo.client.revision import NEWEST, Revision, knows
from mcp_demo.exchange.model import Request, Response, header_values
from mcp_demo.oauth import challenge, resource_metadata, server_metadata
from mcp_demo.oauth.addresses import is_public
from mcp_demo.oauth.errors import InsecureUrl
from mcp_demo.oauth.resource import is_loopback_host, is_secure_url
from mcp_demo.oauth.resource_metadata import ResourceMetadata
from mcp_demo.oauth.server_metadata import ServerMetadata

_ACCEPT_JSON = (("accept", "application/json"),)


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a client knows once it has found its way. `challenged` are the scopes that the 401 asked for."""

    server_url: str
    resource_metadata: ResourceMetadata
    metadata: ServerMetadata
    challenged: tuple[str, ...] = ()

    @property
    def resource(self) -> str:
        """The resource identifier, byte for byte as the metadata has it (RFC 8707 §2, RFC 9728 §2)."""
        return self.resource_metadata.resource


def challenge_of(response: Response) -> challenge.Challenge | None:
    """The challenge of a response that says where to get a token (RFC 6750 §3, RFC 9449 §7.1)."""
    found = challenge.parse(header_values(response.headers, "www-authenticate"))
    ours = [one for scheme in ("bearer", "dpop") for one in found if one.scheme.lower() == scheme]
    return ours[0] if ours else None


def check_url(url: str, server_url: str) -> str:
    """The URL, if a client of this server may request it.

    Only https; and where the MCP server is not on this machine, its documents must not send us to this machine, or to
    an address of a private network.

    Spec: Security Best Practices › Server-Side Request Forgery, RFC 9728 §7.7.

    Raises:
        InsecureUrl: It may not.
    """
    if not is_secure_url(url):
        raise InsecureUrl("A URL learned during discovery is not https.")
    host = urlsplit(url).hostname or ""
    if not is_loopback_host(urlsplit(server_url).hostname) and (is_loopback_host(host) or _is_inside(host)):
        raise InsecureUrl("A server on the network points to an address that is not on the public network.")
    return url


def first(offered: Sequence[str]) -> str:
    """The issuer that a server lists first."""
    return offered[0]


def discover(
    server_url: str,
    refusal: Response,
    preferred_issuer: str | None = None,
    revision: Revision = NEWEST,
    choose: Callable[[Sequence[str]], str] = first,
) -> Flow[Discovery]:
    """Find the metadata of a protected server and of its authorization server.

    Args:
        server_url: The MCP endpoint as it was requested.
        refusal: The 401 (or 403) that started this.
        preferred_issuer: The issuer we have credentials of, should the server list several.
        revision: What revision of MCP to go by.
        choose: Says which issuer to go to, where that one is not listed.

    Raises:
        DiscoveryFailed: Nothing usable at any of the places.
        ProtocolViolation: A document that must not be used, see `mcp_demo.oauth.errors`.
    """
    bearer = challenge_of(refusal)
    resource = yield from _resource_metadata(server_url, bearer, revision)
    issuers = resource.authorization_servers
    issuer = preferred_issuer if preferred_issuer in issuers else choose(issuers)
    metadata = yield from server_metadata_of(issuer, server_url, revision)
    return Discovery(server_url, resource, metadata, bearer.scopes if bearer else ())


def _resource_metadata(
    server_url: str, bearer: challenge.Challenge | None, revision: Revision
) -> Flow[ResourceMetadata]:
    named = bearer.parameters.get("resource_metadata") if bearer else None
    if named is None and not knows(revision, "resource metadata without a pointer"):
        raise DiscoveryFailed(f"The MCP server does not name its metadata, as it has to by revision {revision}.")
    away = 0
    for url in (named,) if named else resource_metadata.candidate_urls(server_url):
        why = (
            "The challenge names the document that says which authorization server protects this MCP server."
            if named
            else "The challenge names no document, so the client looks where it has to lie: path form first, then root."
        )
        step = Step(
            "Ask who protects the server",
            why,
            "RFC 9728 §3.1",
            "client",
            "MCP server",
            "discovery",
            Request("GET", check_url(url, server_url), _ACCEPT_JSON),
        )
        response = yield from fetch(step)
        if response.status == 200:
            metadata = resource_metadata.parse(_json(response))
            resource_metadata.validate_resource(metadata, server_url, found_at=None if named else url)
            return metadata
        away = away or out_of_service(response)
    if away:
        raise DiscoveryFailed(f"The MCP server answers {away} where its metadata lies: out of service or overloaded.")
    raise DiscoveryFailed("The MCP server asks for a token but publishes no protected resource metadata.")


def server_metadata_of(issuer: str, server_url: str, revision: Revision = NEWEST) -> Flow[ServerMetadata]:
    """Find the metadata of an authorization server: RFC 8414 and OpenID Connect, in the prescribed order.

    Spec: MCP 2026-07-28 Authorization Server Discovery › Authorization Server Metadata Discovery; RFC 8414 §3.3.
    """
    check_url(issuer, server_url)
    candidates = server_metadata.candidate_urls(issuer)
    away = 0
    for url in candidates if knows(revision, "OpenID Connect Discovery") else candidates[:1]:
        step = Step(
            "Ask the authorization server what it can do",
            "Its metadata names the endpoints, and must name itself: the issuer has to be the one the server listed.",
            "RFC 8414 §3",
            "client",
            "authorization server",
            "discovery",
            Request("GET", check_url(url, server_url), _ACCEPT_JSON),
        )
        response = yield from fetch(step)
        if response.status == 200:
            metadata = server_metadata.parse(_json(response), expected_issuer=issuer)
            for endpoint in (metadata.token_endpoint, metadata.registration_endpoint, metadata.revocation_endpoint):
                if endpoint:
                    check_url(endpoint, server_url)
            return metadata
        away = away or out_of_service(response)
    if away:
        raise DiscoveryFailed(f"The authorization server {issuer} answers {away}: out of service or overloaded.")
    raise DiscoveryFailed(f"The authorization server {issuer} publishes no metadata where it has to lie.")


def out_of_service(response: Response) -> int:
    """The status of an answer from what stands in front of a party, rather than from the party itself; else 0."""
    return response.status if response.status == 429 or response.status >= 500 else 0


def _json(response: Response) -> object:
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        raise DiscoveryFailed("A metadata document is not JSON.") from None


def _is_inside(host: str) -> bool:
    try:
        return not is_public(ip_address(host))
    except ValueError:
        # Not a proper address: a name, or a spelling such as 0x7f.1 that resolvers still take for an address.
        last = host.rstrip(".").rpartition(".")[2]
        return last.isdigit() or last.lower().startswith("0x") or last.lower() in ("localhost", "internal", "local")
