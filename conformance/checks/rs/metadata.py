"""Protected Resource Metadata: where it is found (RFC 9728 §3, §5)."""

from urllib.parse import urlsplit

from conformance.check import Blocked, NotApplicable, Problem, Problems
from conformance.checks.rs import checks
from conformance.views.answers import bearer, http_url, media_type, members, shown, status
from conformance.views.resource_server import FOREIGN_ORIGIN, ResourceServer, described
from conformance.wire import GivenUp, Unanswered
from mcp_demo.oauth import resource_metadata
from mcp_demo.oauth.resource import is_secure_url


@checks.add(
    "rs.metadata.served",
    "RS-PRM-SERVED",
    expected="200, application/json, a JSON object, without a token",
    why="The metadata is what a client without a token reads; behind a token nobody can begin.",
    fix="Serve /.well-known/oauth-protected-resource… as JSON, outside of the authorization layer.",
    cognito="A $default authorizer of API Gateway covers the well-known paths too: give them a route without one.",
)
def served(server: ResourceServer) -> Problems:
    """The metadata can be read by everybody, as JSON."""
    found = list(server.found_metadata)
    usable = [exchange for _, exchange in found if described(exchange) is not None]
    if not usable:
        for way, exchange in found:
            kind = f" {media_type(exchange)}" if status(exchange) == 200 else ""
            yield Problem(f"{shown(exchange)}{kind} at {exchange.request.url} ({way})", exchange)
    elif media_type(usable[0]) != "application/json":
        yield Problem(f"content type {media_type(usable[0]) or 'missing'} instead of application/json", usable[0])


@checks.add(
    "rs.metadata.discoverable",
    "RS-PRM-DISCOVERY-ONE-OF",
    expected="resource_metadata in the 401, or a document at one of the two well-known addresses",
    why="With none of the three ways, only clients that know the authorization server beforehand can connect.",
    fix="Name the metadata URL in the 401, and serve the document at the well-known path of the endpoint.",
)
def discoverable(server: ResourceServer) -> Problems:
    """At least one way leads from the server to its metadata."""
    ways = [way for way, exchange in server.found_metadata if described(exchange) is not None]
    if not ways:
        yield Problem("neither the 401 nor a well-known address leads to metadata", server.anonymous)
    elif "header" not in ways and (found := bearer(server.anonymous)) and found.parameters:
        words = (
            f"found only by looking ({', '.join(ways)}): the 401 does not name the metadata, which clients try first"
        )
        yield Problem(words, server.anonymous, soft=True)


@checks.add(
    "rs.metadata.named-url",
    "RS-401-RESOURCE-METADATA-URL",
    expected="an absolute https URL (http on loopback) that answers 200 with the metadata, whatever Host was sent",
    why="Behind a proxy the URL is easily built from an inner name, or from a Host header that a stranger chose.",
    fix="Take the public URL from the configuration, never from the request.",
)
def named_url(server: ResourceServer) -> Problems:
    """The metadata URL in the challenge leads to the metadata."""
    url = server.named_metadata_url
    if url is None:
        raise NotApplicable("The 401 names no metadata URL.")
    if http_url(url) is None:
        yield Problem(f"resource_metadata is not an absolute URL: {url}", server.anonymous)
        return
    if not is_secure_url(url) and is_secure_url(server.target.url):
        yield Problem(f"resource_metadata is not https: {url}", server.anonymous)
    try:
        if described(server.document(url)) is None:
            yield Problem(f"{url} answers {shown(server.document(url))} and no metadata", server.document(url))
    except GivenUp:
        raise
    except Unanswered as failure:
        yield Problem(f"{url} does not answer: {failure}", server.anonymous)
    yield from _reflected(server)


def _reflected(server: ResourceServer) -> Problems:
    evil = urlsplit(FOREIGN_ORIGIN).netloc
    for extra in ((("x-forwarded-host", evil), ("x-forwarded-proto", "https")), (("host", evil),)):
        exchange = server.ask(
            server.first(extra=extra),
            f"Without a token, and with a foreign {extra[0][0]}",
            "If the metadata URL were built from it, a stranger could send clients to his own authorization server.",
            "RFC 9728 §7.1",
        )
        found = bearer(exchange)
        if found is not None and evil in found.parameters.get("resource_metadata", ""):
            yield Problem(f"resource_metadata repeats a foreign {extra[0][0]}", exchange)


@checks.add(
    "rs.metadata.well-known-path",
    "RS-PRM-WELLKNOWN-INSERTION",
    expected="the document at https://host/.well-known/oauth-protected-resource/path, or at the root of the host",
    why="Clients build this address by inserting the well-known part between host and path, and look nowhere else.",
    fix="Route /.well-known/oauth-protected-resource{path} on the host itself, not below the endpoint.",
    cognito="API Gateway stages shift every path: serve the well-known addresses from the $default stage.",
)
def well_known_path(server: ResourceServer) -> Problems:
    """The well-known address is built by inserting, not by appending."""
    inserted = server.well_known[0]
    if described(inserted) is not None:
        return
    rooted = server.well_known[-1]
    if described(rooted) is not None:
        yield Problem(f"only at the root: {inserted.request.url} answers {shown(inserted)}", inserted, soft=True)
        return
    appended = server.document(server.target.url.rstrip("/") + resource_metadata.WELL_KNOWN)
    where = f", but {appended.request.url} has it" if described(appended) is not None else ""
    yield Problem(f"{inserted.request.url} answers {shown(inserted)}{where}", inserted)


@checks.add(
    "rs.metadata.resource-of-address",
    "RS-PRM-RESOURCE-IDENTICAL",
    expected="resource equal to the identifier from which the well-known address is built, byte for byte",
    why="A client has to refuse metadata of another resource, or anybody's document could speak for the server.",
    fix="Publish the endpoint's own URL, as a string: URL classes add slashes.",
)
def resource_of_address(server: ResourceServer) -> Problems:
    """The metadata at a well-known address speaks of the resource of that address."""
    documents = [exchange for exchange in server.well_known if described(exchange) is not None]
    if not documents:
        raise NotApplicable("There is no document at a well-known address.")
    parts = urlsplit(server.target.url)
    origin = f"{parts.scheme}://{parts.netloc}"
    for exchange in documents:
        resource = (members(exchange) or {}).get("resource")
        at_root = urlsplit(exchange.request.url).path == resource_metadata.WELL_KNOWN
        expected = {origin, f"{origin}/"} if at_root else {server.target.url}
        if resource in expected:
            continue
        # MCP lets a server host its document at the root; clients accept that the path-level resource is named there.
        hosted = at_root and resource == server.target.url
        hint = " (many clients accept this, RFC 9728 §3.3 does not)" if hosted else ""
        if not (hosted and exchange is not documents[0]):
            yield Problem(f"{exchange.request.url} says resource {resource!r}{hint}", exchange, soft=hosted)


@checks.add(
    "rs.metadata.resource-of-request",
    "RS-PRM-RESOURCE-MATCHES-REQUEST",
    expected="resource equal to the URL that the client calls, byte for byte",
    why="A client that is told to use https://host/mcp refuses metadata that speaks of something else.",
    fix="Publish exactly the URL that people are told to use, with the same slash, case and port.",
    cognito="Use the same string as resource-server identifier: it becomes `aud`, compared byte for byte.",
)
def resource_of_request(server: ResourceServer) -> Problems:
    """The metadata that the challenge leads to speaks of the endpoint that was called."""
    url = server.named_metadata_url
    if url is None or http_url(url) is None:
        raise NotApplicable("The 401 leads to no metadata.")
    exchange = server.document(url)
    document = members(exchange)
    if document is None:
        raise Blocked("The URL in the 401 leads to no metadata; rs.metadata.named-url says more.")
    resource = document.get("resource")
    if resource != server.target.url:
        parent = isinstance(resource, str) and server.target.url.startswith(resource.rstrip("/"))
        hint = ": only its beginning, which some clients accept" if parent and resource else ""
        yield Problem(f"resource is {resource!r}, called was {server.target.url!r}{hint}", exchange)
