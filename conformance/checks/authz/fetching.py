"""How client metadata documents are fetched (CIMD §4.3, §4.4, §6.5, §6.6; MCP Abuse Protection)."""

import json

from conformance.check import Problem, Problems
from conformance.checks.authz import checks
from conformance.checks.authz.documents import good_document, refused
from conformance.documents import LoopbackDocuments
from conformance.target import Capability
from conformance.views.answers import shown
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.forms import outcome
from conformance.views.grants import NATIVE, Client

_NEEDS = (Capability.DOCUMENTS,)
_PATIENCE = 7.0


@checks.add(
    "as.fetching.cache",
    "AS-CIMD-CACHE",
    expected="one fetch for two requests with max-age=60, two with no-store",
    why="A document kept too long keeps a withdrawn redirect URI alive; one never kept makes the server a flood.",
    fix="Follow Cache-Control, within bounds of your own.",
    needs=_NEEDS,
)
def cache(server: AuthorizationServer) -> Problems:
    """Documents are kept as long as their headers say."""
    good_document(server)
    for control, expected in (("max-age=60", 1), ("no-store", 2)):
        client = server.publish(f"/cache-{expected}.json", headers={"Cache-Control": control})
        for turn in ("first", "second"):
            exchange = server.authorize(client, f"{control}: the {turn} request", again=True)
        hits = server.hosting().hits(client.client_id)
        if hits != expected:
            yield Problem(f"{hits} fetches for two requests with {control}", exchange)


@checks.add(
    "as.fetching.no-cache-bad",
    "AS-CIMD-NO-CACHE-BAD",
    expected="after an error and a broken document, the mended one is taken at once",
    why="A client whose document failed once would be locked out, and nobody could help it.",
    fix="Keep only what was valid.",
    needs=_NEEDS,
)
def no_cache_bad(server: AuthorizationServer) -> Problems:
    """What failed is not kept."""
    good_document(server)
    kept = {"Cache-Control": "max-age=600"}
    client = server.publish_raw("/mended.json", b"", status=500, headers=kept)
    server.authorize(client, "The document answers 500", again=True)
    server.publish_raw("/mended.json", b'{"client_id"', headers=kept)
    server.authorize(client, "The document is broken", again=True)
    server.publish("/mended.json")
    exchange = server.authorize(client, "The document is mended", again=True)
    if outcome(exchange, NATIVE) != "proceeds":
        yield Problem(f"{shown(exchange)} after the document was mended", exchange)


@checks.add(
    "as.fetching.ssrf",
    "AS-CIMD-SSRF",
    expected="no connection to inner addresses however they are written, nor by a redirect; the same error for all",
    why="The server fetches what a stranger names: it must not become the stranger's way into the inner network.",
    fix="Resolve once, check every address, connect to the one that was checked, follow no redirect.",
    cognito="On AWS, 169.254.169.254 hands out the credentials of the role.",
    needs=_NEEDS,
)
def ssrf(server: AuthorizationServer) -> Problems:
    """Inner addresses are out of reach."""
    good_document(server)
    with LoopbackDocuments() as canary:
        canary.publish("/canary.json", b"{}")
        port = canary.port
        for host in ("2130706433", "0x7f000001", "127.1", "[::ffff:127.0.0.1]", "0.0.0.0"):
            for scheme in ("https", "http"):
                yield from refused(
                    server, Client(f"{scheme}://{host}:{port}/canary.json", NATIVE), f"{host}, by {scheme}"
                )
        for url in (
            "https://10.255.255.1/c.json",
            "https://169.254.169.254/latest/meta-data",
            "https://[fd00::1]/c.json",
        ):
            yield from refused(server, Client(url, NATIVE), f"A document at {url}")
        moved = server.publish_raw("/moved.json", b"", status=302, headers={"Location": canary.url("/canary.json")})
        yield from refused(server, moved, "A redirect to an inner address")
        if canary.hits(canary.url("/canary.json")):
            yield Problem("the server came to an inner address")


@checks.add(
    "as.fetching.limits",
    "AS-CIMD-LIMITS",
    expected="refused within seconds: a document of 10 MB",
    why="A stranger could fill the server's memory with one request.",
    fix="Stop reading after some kilobytes and some seconds.",
    needs=_NEEDS,
)
def limits(server: AuthorizationServer) -> Problems:
    """A document that is too large is not read to its end."""
    good_document(server)
    url = server.hosting().url("/large.json")
    document = {
        "client_id": url,
        "client_name": "MCP conformance suite",
        "redirect_uris": [NATIVE],
        "x": "x" * 10_000_000,
    }
    document["token_endpoint_auth_method"] = "none"  # noqa: S105
    large = server.publish_raw("/large.json", json.dumps(document).encode())
    exchange = server.authorize(large, "A document of 10 MB")
    if outcome(exchange, NATIVE) != "refused":
        yield Problem(f"{shown(exchange)} for a document of 10 MB", exchange)
    if exchange.seconds > _PATIENCE:
        yield Problem(f"it took {exchange.seconds:.0f} seconds", exchange)


@checks.add(
    "as.fetching.failure",
    "AS-CIMD-FETCH-FAIL",
    expected="an error page without a redirect where the document answers 404 or 500, or cannot be reached",
    why="Without a document nothing is known of the client, its redirect URI least of all.",
    fix="Stop with a page of your own.",
    needs=_NEEDS,
)
def failure(server: AuthorizationServer) -> Problems:
    """Without a document there is no client."""
    good_document(server)
    for code in (404, 500):
        yield from refused(
            server, server.publish_raw(f"/answers-{code}.json", b"", status=code), f"A document that answers {code}"
        )
    secure = server.hosting().url("/tls.json").replace("http://", "https://")
    yield from refused(server, Client(secure, NATIVE), "A host whose TLS fails")
