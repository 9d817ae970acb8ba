"""Who signed the token: signature, algorithm and key (RFC 7515, RFC 8725)."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from conformance.check import Blocked, NotApplicable, Problem, Problems
from conformance.checks.rs import checks, probes
from conformance.hits import Listener
from conformance.issuer import DROP, TestIssuer, by_hand, certificate, decode, encode, hmac_signer
from conformance.target import Capability
from conformance.views.answers import members, shown, status
from conformance.views.resource_server import ResourceServer, like_garbage
from mcp_demo.exchange.model import Exchange

_KIDS = 50
_MOST_DOWNLOADS = 10


def refused(server: ResourceServer, token: str, what: str, spec: str) -> Problems:
    """The problem, if this token is not answered 401."""
    exchange = server.present(token, f"Token {what}", "The only thing wrong with it is that; the rest is right.", spec)
    if status(exchange) != 401 and not like_garbage(server, exchange):
        yield Problem(f"{shown(exchange)} to a token {what}", exchange, soft=status(exchange) in (400, 403))


@checks.add(
    "rs.token.signature",
    "RS-TOK-SIGNATURE",
    expected="401 to a token whose content or signature was changed, or that another key signed",
    why="Without this check everybody can write tokens for everybody.",
    fix="Verify the signature with the issuer's published key before believing a single claim.",
    needs=(Capability.TOKEN,),
)
def signature(server: ResourceServer) -> Problems:
    """The signature is checked."""
    server.require_control()
    token = server.token
    segments = token.split(".")
    if len(segments) != 3:
        raise Blocked("The token given is no signed JWT, so nothing can be changed in it.")
    head, payload, signed = segments
    claims: dict[str, Any] = json.loads(decode(payload))
    changed = encode(json.dumps(claims | {"sub": "somebody-else"}).encode()).decode()
    yield from refused(server, f"{head}.{changed}.{signed}", "with a changed claim", "RFC 8725 §3.3")
    flipped = bytearray(decode(signed))
    flipped[len(flipped) // 2] ^= 1
    altered = f"{head}.{payload}.{encode(bytes(flipped)).decode()}"
    yield from refused(server, altered, "with a changed signature", "RFC 8725 §3.3")
    header: dict[str, Any] = json.loads(decode(head))
    foreign = _foreign(claims, header)
    yield from refused(server, foreign, "signed by another key under the same kid", "RFC 8725 §3.3")


def _foreign(claims: dict[str, Any], header: dict[str, Any]) -> str:
    key = _own_key()
    issuer = TestIssuer("", key, "", ("",), claims={})
    changed: dict[str, Any] = {"jti": DROP, **claims}
    return issuer.token(header={**header, "alg": "RS256"}, **changed)


@cache
def _own_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "conformance"}, private=True)


@checks.add(
    "rs.token.unsigned",
    "RS-TOK-ALG-NONE",
    expected="401 to alg none, however it is spelled",
    why="A library that is not told which algorithm to expect accepts none, and everybody is everybody.",
    fix="Give the JWT library an explicit list of algorithms.",
)
def unsigned(server: ResourceServer) -> Problems:
    """Unsigned tokens are refused."""
    server.require_control()
    for spelling in ("none", "None", "NONE", "nOnE"):
        for value in (b"", b"junk"):
            with_what = "with a junk signature" if value else "without a signature"
            token = probes.unsigned(server, spelling, value)
            yield from refused(server, token, f"of alg {spelling} {with_what}", "RFC 8725 §3.2")


@checks.add(
    "rs.token.algorithm",
    "RS-TOK-ALG-CONFUSION",
    expected="401 to tokens whose algorithm is not the one of the issuer's key",
    why="A public key taken as an HMAC secret lets everybody sign: everybody has the public key.",
    fix="Take the algorithm from the configuration or the key, never from the token.",
)
def algorithm(server: ResourceServer) -> Problems:
    """The token does not choose the algorithm."""
    server.require_control()
    key = _public_key(server)
    claims = decode(probes.unsigned(server).split(".")[1])
    for name, secret in _public_forms(key):
        for hmac in ("HS256", "HS384", "HS512") if name == "PEM" else ("HS256",):
            token = by_hand({"alg": hmac, "kid": key.kid}, claims, hmac_signer(secret, hmac))
            yield from refused(server, token, f"signed {hmac} with the public key as {name}", "RFC 8725 §3.1")
    if server.target.issuer is None:
        return
    for other in ("RS512", "PS256"):
        token = server.target.issuer.token(header={"alg": other})
        yield from refused(server, token, f"signed {other} for an RS256 key", "RFC 8725 §3.1")


def _public_key(server: ResourceServer) -> RSAKey:
    if server.target.issuer is not None:
        return server.target.issuer.key
    keys = list(server.issuer_keys())
    if not keys:
        raise NotApplicable("The authorization server publishes no keys, so there is no public key to misuse.")
    for exchange in keys:
        for candidate in (members(exchange) or {}).get("keys", []):
            with suppress(JoseError, ValueError, TypeError, KeyError):
                return RSAKey.import_key(candidate)
    raise Blocked("The issuer's public key was not found, so nothing could be signed with it.")


def _public_forms(key: RSAKey) -> Iterator[tuple[str, bytes]]:
    public = key.as_dict(private=False)
    pem = key.as_pem(private=False)
    yield "PEM", pem
    yield "PEM without its last newline", pem.strip()
    yield "DER", key.as_der(private=False)
    yield "JWK", json.dumps(public).encode()
    yield "modulus", decode(str(public["n"]))


@checks.add(
    "rs.token.key-id",
    "RS-TOK-KID",
    expected="401 to every unknown, missing or hostile kid, without fetching keys each time",
    why="kid is written by whoever wrote the token: taken as a path or a query it opens files, and each unknown one"
    " can be made to cost a download.",
    fix="Look kid up among the keys of the issuer, and ration how often an unknown one makes you fetch again.",
)
def key_id(server: ResourceServer) -> Problems:
    """A key id is only a name to look up."""
    server.require_control()
    for value, what in _hostile_kids():
        for token in _with_kid(server, value):
            yield from refused(server, token, what, "RFC 8725 §3.10")
    if server.target.key_downloads is not None:
        yield from _downloads(server, server.target.key_downloads)


def _hostile_kids() -> Iterator[tuple[object, str]]:
    yield "conformance-unknown", "with an unknown kid"
    yield DROP, "without kid"
    yield "../../../../../../dev/null", "whose kid is a path"
    yield "x' UNION SELECT 'AA==' -- ", "whose kid is SQL"
    yield "https://evil.example/key", "whose kid is a URL"
    yield "k" * 4096, "with a kid of 4 KB"


def _with_kid(server: ResourceServer, kid: object) -> Iterator[str]:
    """A token of that kid: signed with the empty key and, with a test issuer, with the right one."""
    header = {"alg": "HS256"} | ({} if kid is DROP else {"kid": kid})
    claims = decode(probes.unsigned(server).split(".")[1])
    yield by_hand(header, claims, hmac_signer(b""))
    if server.target.issuer is not None:
        yield server.target.issuer.token(header={"kid": kid})


def _downloads(server: ResourceServer, count: Callable[[], int]) -> Problems:
    before = count()
    exchange: Exchange | None = None
    for number in range(_KIDS):
        token = server.issuer.token(header={"kid": f"conformance-{number}"})
        exchange = server.present(
            token,
            "One of many tokens, each with another unknown kid",
            "Anybody can make up key ids; each of them must not cost a download of the keys.",
            "RFC 8725 §3.10",
        )
    fetched = count() - before
    if fetched > _MOST_DOWNLOADS:
        yield Problem(f"{_KIDS} unknown kids caused {fetched} downloads of the keys", exchange)


@checks.add(
    "rs.token.embedded-key",
    "RS-TOK-EMBEDDED-KEY",
    expected="401 to a token that brings its own key, and no request to the address it names",
    why="A key that comes with the token proves nothing: its writer chose it. Fetching one calls where he wants.",
    fix="Ignore jwk, jku, x5c and x5u; take keys only from the issuer's configured JWKS.",
)
def embedded_key(server: ResourceServer) -> Problems:
    """A token does not bring its own key."""
    server.require_control()
    key = _own_key()
    with Listener({"keys": [key.as_dict(private=False)]}) as listener:
        members: tuple[tuple[str, object], ...] = (
            ("jwk", key.as_dict(private=False)),
            ("jku", listener.url),
            ("x5c", [certificate(key)]),
            ("x5u", listener.url),
        )
        claims = json.loads(decode(probes.unsigned(server).split(".")[1]))
        signer = TestIssuer("", key, "", ("",))
        for name, value in members:
            token = signer.token(header={name: value}, jti=DROP, **claims)
            yield from refused(server, token, f"that brings its key as {name}", "RFC 8725 §3.10")
        if listener.hits:
            yield Problem(f"the server fetched the key address that a token named ({listener.hits} times)")


@checks.add(
    "rs.token.critical-extension",
    "RS-TOK-CRIT",
    expected="401 to a token whose crit names something unknown",
    why="crit says: refuse me unless you understand this. Ignoring it skips a rule the issuer relied on.",
    fix="Refuse tokens with crit, unless every name in it is known.",
    needs=(Capability.TEST_ISSUER,),
)
def critical_extension(server: ResourceServer) -> Problems:
    """An unknown critical extension makes the token unusable."""
    server.require_control()
    token = server.issuer.token(header={"crit": ["x-suite"], "x-suite": True})
    yield from refused(server, token, "with an unknown critical extension", "RFC 7515 §4.1.11")


@checks.add(
    "rs.token.fail-closed",
    "RS-FAIL-CLOSED",
    expected="401 or 503 while the signing keys cannot be fetched",
    why="Who can keep the server from its keys must not be let in for it.",
    fix="Refuse when the keys are out of reach; never let an exception skip the check.",
    needs=(Capability.TEST_ISSUER,),
)
def fail_closed(server: ResourceServer) -> Problems:
    """Without keys to check with, nobody is let in."""
    start = server.target.cold_start
    if start is None:
        raise Blocked.without(Capability.TEST_ISSUER)
    server.require_control()
    with start() as url:
        request = server.first(url=url, extra=(("authorization", f"Bearer {server.issuer.token()}"),))
        exchange = server.ask(
            request,
            "A token to a freshly started server that cannot fetch keys",
            "Nobody can say whether the token is good, so it has to count as bad.",
            "RFC 8725 §3.3",
        )
    if status(exchange) not in (401, 503):
        yield Problem(f"{shown(exchange)} while the signing keys could not be fetched", exchange)
