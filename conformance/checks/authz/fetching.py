"""How client metadata documents are fetched (CIMD §4.3, §4.4, §6.5, §6.6; MCP Abuse Protection)."""

import json
import time
from collections.abc import Iterator

from conformance.check import Problem, Problems
from conformance.checks.authz import checks
from conformance.checks.authz.documents import good_document, refused
from conformance.documents import LoopbackDocuments
from conformance.issuer import by_hand
from conformance.target import Capability
from conformance.views.answers import shown
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.forms import outcome
from conformance.views.grants import NATIVE, Client
from conformance.wire import GivenUp, Unanswered

_NEEDS = (Capability.DOCUMENTS,)
_PATIENCE = 7.0
_EXPIRY = 1.5
_DRIP = 0.1
_ENDLESS = 32 * 1024 * 1024


@checks.add(
    "as.fetching.cache",
    "AS-CIMD-CACHE",
    expected="one fetch for two requests with max-age=60, two with no-store, and a new one after max-age=1 is over",
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
    client = server.publish("/cache-over.json", headers={"Cache-Control": "max-age=1"})
    server.authorize(client, "max-age=1: the first request", again=True)
    server.session.wait(_EXPIRY)
    late = server.authorize(client, "max-age=1: a request after that", again=True)
    if server.hosting().hits(client.client_id) < 2:
        yield Problem(f"no new fetch {_EXPIRY} seconds after a document with max-age=1", late)


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
        for host in _THIS_MACHINE:
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
        inner = f"http://2130706433:{port}/canary.json"
        for code in (302, 307, 308):
            moved = server.publish_raw(f"/moved-{code}.json", b"", status=code, headers={"Location": inner})
            yield from refused(server, moved, f"A redirect ({code}) to an inner address")
        _name_addresses(server, inner)
        if canary.hits(canary.url("/canary.json")):
            yield Problem("the server came to an inner address")


_THIS_MACHINE = (
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.1",
    "[::ffff:127.0.0.1]",
    "0.0.0.0",
    "canary.localhost",
)


def _name_addresses(server: AuthorizationServer, inner: str) -> None:
    """A good document that names inner addresses for its logo and its keys; then the keys are needed."""
    named = dict.fromkeys(("logo_uri", "client_uri", "tos_uri", "policy_uri", "jwks_uri"), inner)
    client = server.publish("/inside.json", token_endpoint_auth_method="private_key_jwt", **named)  # noqa: S106
    server.authorize(client, "A document that names inner addresses")
    now = int(time.time())
    claims = {"iss": client.client_id, "sub": client.client_id, "aud": server.issuer, "exp": now + 60, "iat": now}
    payload = json.dumps({**claims, "jti": "conformance"}).encode()
    assertion = by_hand({"alg": "ES256", "kid": "conformance"}, payload, lambda signed: bytes(64))
    form = {
        "grant_type": "authorization_code",
        "code": "conformance",
        "code_verifier": "v" * 43,
        "redirect_uri": NATIVE,
        "client_id": client.client_id,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    server.token(form, "A client whose keys are at an inner address")


checks.exclude(
    "as.fetching.rebinding",
    "AS-CIMD-SSRF",
    title="A name that changes between check and use leads nowhere",
    why="A server that resolves twice checks one address and connects to another.",
    reason="It takes a name server of one's own that the target asks. By hand: let a name answer a public address "
    "first and 127.0.0.1 afterwards, with a lifetime of 0, and use it in a client_id.",
)


@checks.add(
    "as.fetching.limits",
    "AS-CIMD-LIMITS",
    expected="refused within seconds: 10 MB, a stream without end, a byte now and then; and at work after that",
    why="A stranger could fill the server's memory with one request.",
    fix="Stop reading after some kilobytes and some seconds.",
    needs=_NEEDS,
)
def limits(server: AuthorizationServer) -> Problems:
    """A document that is too large or too slow is not read to its end."""
    good_document(server)
    large = server.publish_raw("/large.json", _beginning(server, "/large.json") + b"x" * 10_000_000 + b'"}')
    yield from _in_time(server, large, "a document of 10 MB")
    endless = server.publish_raw("/endless.json", lambda: _endless(_beginning(server, "/endless.json")))
    yield from _in_time(server, endless, "a stream without end")
    if server.hosting().emptied(endless.client_id):
        yield Problem(f"a stream is read as long as it lasts, here for {_ENDLESS // 1024**2} MB")
    yield from _in_time(server, _dripping(server), "a document that comes a byte at a time")
    after = server.authorize(server.publish("/after.json"), "A good document, after all that")
    if outcome(after, NATIVE) != "proceeds":
        yield Problem(f"{shown(after)} for a good document after that", after)


def _beginning(server: AuthorizationServer, path: str) -> bytes:
    """A good document, up to the inside of its last member."""
    document = {
        "client_id": server.hosting().url(path),
        "client_name": "MCP conformance suite",
        "redirect_uris": [NATIVE],
        "token_endpoint_auth_method": "none",
    }
    return json.dumps(document)[:-1].encode() + b', "x": "'


def _endless(beginning: bytes) -> Iterator[bytes]:
    """As good as endless. It ends well, so that who reads it all takes it."""
    piece = b"x" * 65_536
    yield beginning
    for _ in range(_ENDLESS // len(piece)):
        yield piece
    yield b'"}'


def _dripping(server: AuthorizationServer) -> Client:
    def drip(beginning: bytes) -> Iterator[bytes]:
        yield beginning
        for _ in range(int(2 * _PATIENCE / _DRIP)):
            time.sleep(_DRIP)
            yield b"x"
        yield b'"}'

    return server.publish_raw("/slow.json", lambda: drip(_beginning(server, "/slow.json")))


def _in_time(server: AuthorizationServer, client: Client, words: str) -> Problems:
    """A request that has to be refused, and soon."""
    try:
        exchange = server.authorize(client, words.capitalize(), spec="CIMD §6.6")
    except GivenUp:
        raise
    except Unanswered as failure:
        yield Problem(f"no answer in time: {words}", failure.exchange)
        return
    if outcome(exchange, NATIVE) != "refused":
        yield Problem(f"{shown(exchange)} for {words}", exchange)
    if exchange.seconds > _PATIENCE:
        yield Problem(f"it took {exchange.seconds:.0f} seconds: {words}", exchange)


@checks.add(
    "as.fetching.failure",
    "AS-CIMD-FETCH-FAIL",
    expected="an error page without a redirect: 404, 500, a failing TLS handshake, a document that never ends",
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
    yield from _in_time(server, _dripping(server), "a document that comes a byte at a time")
