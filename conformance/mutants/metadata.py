"""Bugs in the Protected Resource Metadata and in the way to it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.mutants.plant import Answer, Forward, Seen, mutant
from conformance.mutants.reference import Lab

_PATH = "/.well-known/oauth-protected-resource/mcp"
_ROOT = "/.well-known/oauth-protected-resource"
_NOT_FOUND = Answer(404, [(b"content-type", b"text/plain")], b"Not Found")
_NO_DOCUMENT = (
    "rs.metadata.discoverable",
    "rs.metadata.named-url",
    "rs.metadata.well-known-path",
    "rs.metadata.resource-of-request",
    "rs.metadata.authorization-servers",
    "rs.metadata.issuer-form",
    "rs.metadata.well-formed",
    "rs.metadata.scopes-minimal",
    "rs.metadata.no-trailing-slash",
    "rs.metadata.no-offline-access",
    "rs.methods.no-bypass",
    "rs.cors.metadata",
    "rs.scope.challenge",
)
"""What cannot be judged any more when nobody can read the document."""
_NOWHERE = tuple(
    check
    for check in _NO_DOCUMENT
    if check not in ("rs.metadata.discoverable", "rs.metadata.named-url", "rs.metadata.resource-of-request")
)


def _elsewhere(lab: Lab, url: bytes) -> Callable[[bytes], bytes]:
    """Makes a challenge name another metadata URL."""
    right = lab.url.replace("/mcp", _PATH).encode()
    return lambda value: value.replace(right, url)


@mutant("rs.metadata.served", also=_NO_DOCUMENT)
async def guards_the_metadata(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The authorization layer covers the metadata too."""
    return Answer(401, [(b"www-authenticate", b"Bearer")]) if seen.at_metadata else await forward(seen)


@mutant("rs.metadata.served", also=_NO_DOCUMENT)
async def serves_a_web_page(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Unknown paths, the metadata's among them, are answered with the start page."""
    page = Answer(200, [(b"content-type", b"text/html")], b"<!doctype html><title>App</title>")
    return page if seen.at_metadata else await forward(seen)


@mutant("rs.metadata.served")
async def serves_plain_text(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The metadata is sent as text/plain."""
    answer = await forward(seen)
    return answer.with_header(b"content-type", b"text/plain") if seen.at_metadata else answer


@mutant("rs.metadata.discoverable", also=("rs.metadata.served", *_NOWHERE))
async def has_no_metadata(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The challenge names no metadata, and no well-known address has any."""
    return _NOT_FOUND if seen.at_metadata else (await forward(seen)).without(b"resource_metadata")


@mutant("rs.metadata.discoverable", also=("rs.scope.challenge",))
async def hides_the_metadata(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The challenge does not name the metadata, which clients have to look for."""
    return (await forward(seen)).without(b"resource_metadata")


@mutant("rs.metadata.named-url", also=("rs.metadata.discoverable", "rs.scope.challenge"))
async def names_a_relative_url(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """resource_metadata is a path without a host."""
    return (await forward(seen)).challenge(_elsewhere(lab, _PATH.encode()))


@mutant(
    "rs.metadata.named-url", also=("rs.metadata.discoverable", "rs.scope.challenge", "rs.metadata.resource-of-request")
)
async def names_a_dead_url(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """resource_metadata leads to an address that answers 404."""
    return (await forward(seen)).challenge(lambda value: value.replace(_PATH.encode(), b"/.well-known/nothing-here"))


@mutant("rs.metadata.named-url")
async def repeats_the_forwarded_host(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """resource_metadata is built from X-Forwarded-Host."""
    host = seen.header(b"x-forwarded-host")
    answer = await forward(seen)
    return answer.challenge(_elsewhere(lab, b"https://" + host + _PATH.encode())) if host else answer


@mutant("rs.metadata.named-url")
async def repeats_the_host(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Every Host is answered, and resource_metadata is built from it."""
    host = seen.header(b"host") or b""
    ours = lab.url.split("/")[2].encode()
    if host != b"evil.example" or seen.header(b"origin"):
        return await forward(seen)
    answer = await forward(seen.with_header(b"host", ours))
    return answer.challenge(_elsewhere(lab, b"http://" + host + _PATH.encode()))


@mutant("rs.metadata.well-known-path")
async def appends_the_well_known_part(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The document lies below the endpoint, where the challenge says it does."""
    if seen.at_metadata:
        return _NOT_FOUND
    if seen.path == f"/mcp{_ROOT}":
        return await forward(replace(seen, path=_PATH))
    return (await forward(seen)).challenge(lambda value: value.replace(_PATH.encode(), f"/mcp{_ROOT}".encode()))


@mutant("rs.metadata.well-known-path", also=("rs.metadata.resource-of-address",))
async def serves_at_the_root_only(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The document of the path-level endpoint lies at the root only."""
    if seen.path == _PATH:
        return _NOT_FOUND
    return (await forward(seen)).challenge(lambda value: value.replace(_PATH.encode(), _ROOT.encode()))


@mutant("rs.metadata.resource-of-address", also=("rs.metadata.resource-of-request", "rs.metadata.no-trailing-slash"))
async def adds_a_slash_to_the_resource(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """A URL class adds a slash to the resource."""
    answer = await forward(seen)
    return answer.document(lambda members: members.update(resource=f"{lab.url}/")) if seen.path == _PATH else answer


@mutant("rs.metadata.resource-of-address")
async def names_a_stranger_at_the_root(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The document at the root speaks of another resource."""
    answer = await forward(seen)
    wrong = "https://other.example/mcp"
    return answer.document(lambda members: members.update(resource=wrong)) if seen.path == _ROOT else answer


@mutant("rs.metadata.resource-of-request")
async def names_the_origin_as_resource(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The challenge leads to the document of the origin, although the endpoint has a path."""
    if seen.path == "/prm":
        origin = lab.url.removesuffix("/mcp")
        answer = await forward(replace(seen, path=_PATH))
        return answer.document(lambda members: members.update(resource=origin))
    return (await forward(seen)).challenge(lambda value: value.replace(_PATH.encode(), b"/prm"))


def _in_document(check: str, name: str, bug: str, change: Callable[[dict[str, Any]], object], *also: str) -> None:
    async def behaviour(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        answer = await forward(seen)
        return answer.document(change) if seen.at_metadata else answer

    behaviour.__name__, behaviour.__doc__ = name, bug
    mutant(check, also=also)(behaviour)


_SERVERS = "rs.metadata.authorization-servers"
_FORM = "rs.metadata.issuer-form"
_MEMBERS = "rs.metadata.well-formed"
_SCOPES = "rs.metadata.scopes-minimal"
_in_document(
    _SERVERS, "names_no_server", "There are no authorization_servers.", lambda m: m.pop("authorization_servers"), _FORM
)
_in_document(
    _SERVERS,
    "names_empty_servers",
    "authorization_servers is empty.",
    lambda m: m.update(authorization_servers=[]),
    _FORM,
    _MEMBERS,
)
_in_document(
    _SERVERS,
    "names_one_server_as_text",
    "authorization_servers is a string.",
    lambda m: m.update(authorization_servers=m["authorization_servers"][0]),
    _FORM,
    _MEMBERS,
)
_in_document(
    _FORM,
    "lists_the_metadata_url",
    "The entry is the URL of the server's metadata.",
    lambda m: m.update(
        authorization_servers=[
            m["authorization_servers"][0].replace("/as", "/.well-known/oauth-authorization-server/as")
        ]
    ),
)
_in_document(
    _FORM,
    "lists_an_issuer_with_query",
    "The issuer has a query.",
    lambda m: m.update(authorization_servers=[m["authorization_servers"][0] + "?tenant=1"]),
)
_in_document(
    _FORM,
    "lists_an_issuer_with_slash",
    "The entry has a slash more than the issuer.",
    lambda m: m.update(authorization_servers=[m["authorization_servers"][0] + "/"]),
)
_in_document(
    _FORM,
    "lists_an_unknown_issuer",
    "No metadata can be found for the entry.",
    lambda m: m.update(authorization_servers=[m["authorization_servers"][0] + "-gone"]),
)
_in_document(_MEMBERS, "writes_null", "A member without a value is null.", lambda m: m.update(jwks_uri=None))
_in_document(
    _MEMBERS,
    "writes_an_empty_array",
    "bearer methods of another world.",
    lambda m: m.update(bearer_methods_supported=["query"]),
)
_in_document(
    _MEMBERS, "writes_empty_scopes", "scopes_supported is empty.", lambda m: m.update(scopes_supported=[]), _SCOPES
)
_in_document(
    _MEMBERS,
    "writes_scopes_as_text",
    "scopes_supported is a string.",
    lambda m: m.update(scopes_supported=" ".join(m["scopes_supported"])),
    _SCOPES,
)
_in_document(
    _MEMBERS,
    "writes_a_nickname",
    "resource is a name.",
    lambda m: m.update(resource="mcp-api"),
    "rs.metadata.resource-of-address",
    "rs.metadata.resource-of-request",
)
_in_document(
    _MEMBERS,
    "writes_a_fragment",
    "resource has a fragment.",
    lambda m: m.update(resource=m["resource"] + "#x"),
    "rs.metadata.resource-of-address",
    "rs.metadata.resource-of-request",
)
_in_document(
    _SCOPES,
    "lists_every_scope",
    "Every scope is listed.",
    lambda m: m["scopes_supported"].append(m["resource"] + "/write"),
)
_in_document(
    _SCOPES,
    "lists_a_wildcard",
    "A scope for everything is listed.",
    lambda m: m["scopes_supported"].append(m["resource"] + "/*"),
)
_in_document(
    _SCOPES,
    "lists_the_admin_scope",
    "Cognito's scope for the user's own profile is listed.",
    lambda m: m["scopes_supported"].append("aws.cognito.signin.user.admin"),
)
_in_document(_SCOPES, "lists_no_scope", "scopes_supported is missing.", lambda m: m.pop("scopes_supported"))
_in_document(
    "rs.metadata.no-offline-access",
    "lists_offline_access",
    "offline_access is listed.",
    lambda m: m["scopes_supported"].append("offline_access"),
)


@mutant("rs.metadata.no-offline-access", also=())
async def challenges_for_offline_access(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The challenge asks for offline_access."""
    answer = await forward(seen)
    if answer.status != 401:
        return answer
    return answer.challenge(lambda value: value.replace(b'scope="', b'scope="offline_access '))


@mutant("rs.metadata.no-trailing-slash")
async def has_two_identities(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The endpoint with a slash at its end names metadata of its own."""
    answer = await forward(seen)
    return (
        answer.challenge(_elsewhere(lab, lab.url.replace("/mcp", f"{_PATH}/").encode()))
        if seen.path == "/mcp/"
        else answer
    )
