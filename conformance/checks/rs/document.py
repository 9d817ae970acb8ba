"""What the Protected Resource Metadata says (RFC 9728 §2)."""

from typing import Any, cast
from urllib.parse import urlsplit

from conformance.check import Blocked, NotApplicable, Problem, Problems
from conformance.checks.rs import checks, probes
from conformance.views.answers import bearer, fields, http_url, members, shown
from conformance.views.resource_server import ResourceServer
from conformance.wire import GivenUp, Unanswered
from mcp_demo.oauth.resource import is_loopback_host

_ARRAYS = (
    "authorization_servers",
    "scopes_supported",
    "bearer_methods_supported",
    "resource_signing_alg_values_supported",
    "authorization_details_types_supported",
    "dpop_signing_alg_values_supported",
)
_TEXTS = ("resource", "jwks_uri", "resource_name", "resource_documentation", "resource_policy_uri", "resource_tos_uri")
_METHODS = frozenset({"header", "body"})
_OMNIBUS = frozenset({"*", "all", "full", "full-access", "full_access", "admin", "aws.cognito.signin.user.admin"})


@checks.add(
    "rs.metadata.authorization-servers",
    "RS-PRM-AS-LIST",
    expected="authorization_servers with at least one entry",
    why="Without it a client has to guess who issues the tokens.",
    fix='Add "authorization_servers": ["https://issuer"].',
)
def authorization_servers(server: ResourceServer) -> Problems:
    """The metadata names an authorization server."""
    exchange, document = server.metadata
    found: Any = document.get("authorization_servers")
    if not isinstance(found, list) or not found or not all(isinstance(item, str) for item in cast("list[Any]", found)):
        yield Problem(f"authorization_servers is {found!r}", exchange)


@checks.add(
    "rs.metadata.issuer-form",
    "RS-PRM-AS-ISSUER-FORM",
    expected="issuer identifiers: https URLs without query and fragment, whose metadata repeats them byte for byte",
    why="A client derives the address of the authorization server's metadata from the entry, and compares the issuer.",
    fix="List the issuer itself, not the URL of its metadata or of an endpoint.",
    cognito="With a facade in front of the pool list the facade's issuer. Listing the pool's issuer works with OIDC"
    " discovery, but its metadata lacks code_challenge_methods_supported, and MCP clients have to refuse that.",
)
def issuer_form(server: ResourceServer) -> Problems:
    """The authorization servers are named by their issuer identifier."""
    exchange, document = server.metadata
    entries = [item for item in _list(document, "authorization_servers") if isinstance(item, str)]
    if not entries:
        raise Blocked("The metadata names no authorization server.")
    for entry in entries:
        fault = _issuer_fault(entry)
        if fault:
            yield Problem(f"{entry!r} {fault}", exchange)
        else:
            yield from _issuer_metadata(server, entry)


def _issuer_fault(entry: str) -> str | None:
    parts = http_url(entry)
    if parts is None:
        return "is no https URL"
    if parts.scheme == "http" and not is_loopback_host(parts.hostname):
        return "is not https"
    if "?" in entry or "#" in entry:
        return "has a query or a fragment"
    return "is the address of a document, not an issuer" if "/.well-known/" in entry else None


def _issuer_metadata(server: ResourceServer, issuer: str) -> Problems:
    try:
        found = [exchange for exchange in server.issuer_metadata(issuer) if members(exchange) is not None]
    except GivenUp:
        raise
    except Unanswered as failure:
        yield Problem(f"{issuer} does not answer: {failure}", soft=True)
        return
    if not found:
        yield Problem(f"no metadata can be found for {issuer}")
        return
    named = (members(found[0]) or {}).get("issuer")
    if named != issuer:
        yield Problem(f"the metadata of {issuer!r} says issuer {named!r}", found[0])


@checks.add(
    "rs.metadata.well-formed",
    "RS-PRM-FIELDS",
    expected="resource as an absolute URL without fragment; arrays where several values are possible; nothing empty",
    why="Clients parse the document strictly: one null or one string for an array makes it unreadable.",
    fix="Leave out what has no value, and let resource be the endpoint's URL.",
)
def well_formed(server: ResourceServer) -> Problems:
    """Every member of the metadata has the form that RFC 9728 gives it."""
    exchange, document = server.metadata
    resource: Any = document.get("resource")
    parts = http_url(resource)
    if parts is None:
        yield Problem(f"resource is no absolute URL: {resource!r}", exchange)
    elif "#" in resource:
        yield Problem(f"resource has a fragment: {resource}", exchange)
    elif parts.scheme != "https" and not is_loopback_host(parts.hostname):
        yield Problem(f"resource is not https: {resource}", exchange)
    for name, value in document.items():
        fault = _member_fault(name, value)
        if fault:
            yield Problem(f"{name} {fault}", exchange)


def _member_fault(name: str, value: object) -> str | None:
    if value is None or value == "":
        return "is empty"
    if name in _TEXTS and not isinstance(value, str):
        return "is no string"
    if name not in _ARRAYS:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in cast("list[Any]", value)):
        return "is no array of strings"
    items = cast("list[str]", value)
    if name == "bearer_methods_supported":
        return "names query, which MCP forbids, or an unregistered method" if set(items) - _METHODS else None
    return None if items else "is empty"


@checks.add(
    "rs.metadata.scopes-minimal",
    "RS-PRM-SCOPES-MINIMAL",
    expected="scopes_supported with what basic use needs, and no scope for everything",
    why="Clients that get no hint ask for all of it at the first sign-in.",
    fix="List the basic scopes; ask for others with a 403 challenge when they are needed.",
    cognito="Custom scopes carry the resource-server identifier; never list aws.cognito.signin.user.admin.",
)
def scopes_minimal(server: ResourceServer) -> Problems:
    """The metadata lists the scopes of basic use only."""
    exchange, document = server.metadata
    listed = [str(item) for item in _list(document, "scopes_supported")]
    if not listed:
        yield Problem("scopes_supported is missing", exchange)
    for scope in listed:
        if scope.rpartition("/")[2].lower() in _OMNIBUS or scope in _OMNIBUS or "*" in scope:
            yield Problem(f"scopes_supported lists {scope}, which stands for everything", exchange)
    issuer = server.target.issuer
    if issuer is not None and len(issuer.scopes) > 1 and set(issuer.scopes) <= set(listed):
        yield Problem("scopes_supported lists every scope of the server", exchange)


@checks.add(
    "rs.metadata.no-trailing-slash",
    "RS-PRM-RESOURCE-NO-SLASH",
    expected="resource without a slash at its end, and the same challenge with and without it",
    why="https://host/mcp and https://host/mcp/ are two resources; tokens for the one are refused by the other.",
    fix="Write the identifier without the slash everywhere.",
)
def no_trailing_slash(server: ResourceServer) -> Problems:
    """The resource identifier ends without a slash."""
    if server.target.url.endswith("/"):
        raise NotApplicable("The endpoint was given with a slash at its end, so the slash may carry meaning.")
    exchange, document = server.metadata
    resource = document.get("resource")
    if isinstance(resource, str) and resource.endswith("/"):
        yield Problem(f"resource ends with a slash: {resource}", exchange)
    if not urlsplit(server.target.url).path:
        return
    other = server.ask(
        server.first(url=f"{server.target.url}/"),
        "Without a token: the endpoint with a slash at its end",
        "People type both; both should lead to the same place.",
        "MCP 2026-07-28 Authorization",
    )
    here, there = bearer(server.anonymous), bearer(other)
    if here and there and here.parameters.get("resource_metadata") != there.parameters.get("resource_metadata"):
        yield Problem("the challenge for the endpoint with a slash names other metadata", other)


@checks.add(
    "rs.metadata.no-offline-access",
    "RS-NO-OFFLINE-ACCESS",
    expected="no offline_access in scopes_supported and in any challenge",
    why="Whether refresh tokens are issued is for client and authorization server to agree on.",
    fix="Remove offline_access from what the resource server publishes.",
    cognito="Cognito refuses the scope offline_access outright with invalid_scope.",
)
def no_offline_access(server: ResourceServer) -> Problems:
    """The resource server never asks for offline_access."""
    exchange, document = server.metadata
    if "offline_access" in _list(document, "scopes_supported"):
        yield Problem("scopes_supported lists offline_access", exchange)
    list(probes.refusals(server))
    for seen in server.session.exchanges:
        if any("offline_access" in value for value in fields(seen, "www-authenticate")):
            yield Problem(f"a challenge names offline_access ({shown(seen)})", seen)


def _list(document: dict[str, Any], name: str) -> list[Any]:
    value = document.get(name)
    return cast("list[Any]", value) if isinstance(value, list) else []
