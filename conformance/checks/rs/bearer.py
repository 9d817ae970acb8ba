"""How a token is carried: in one Authorization header, and nowhere else (RFC 6750 §2, OAuth 2.1 §5.1)."""

import json
from collections.abc import Iterator
from urllib.parse import quote

from conformance.check import NotApplicable, Problem, Problems
from conformance.checks.rs import checks
from conformance.issuer import encode
from conformance.target import Capability
from conformance.views.answers import response, shown, status, succeeded
from conformance.views.resource_server import GARBAGE, ResourceServer, like_anonymous, like_garbage
from conformance.wire import GivenUp, Unanswered
from mcp_demo.exchange.model import Exchange, Request

_PROMPT = 5.0
_TRACES = (b"Traceback (most recent call last)", b"at Object.", b"Exception in thread", b"stack trace")
_FORM = (("content-type", "application/x-www-form-urlencoded"),)


@checks.add(
    "rs.bearer.case",
    "RS-BEARER-CASE",
    expected="success with Bearer, bearer and BEARER alike",
    why="This is the positive control: without one request that succeeds, no refusal proves anything.",
    fix="Compare the scheme without regard to case.",
    needs=(Capability.TOKEN,),
)
def case(server: ResourceServer) -> Problems:
    """A valid token is accepted, however Bearer is written."""
    if succeeded(server.anonymous):
        raise NotApplicable("Who has no token gets in too, so that a valid one proves nothing.")
    for scheme in ("Bearer", "bearer", "BEARER"):
        exchange = server.authorized if scheme == "Bearer" else _in_case(server, scheme)
        if not succeeded(exchange):
            yield Problem(f"{shown(exchange)} to a valid token after {scheme!r}", exchange)


def _in_case(server: ResourceServer, scheme: str) -> Exchange:
    return server.present(
        server.token,
        f"A valid token after {scheme!r}",
        "The name of an authentication scheme is matched without regard to case.",
        "RFC 9110 §11.1",
        scheme=scheme,
    )


@checks.add(
    "rs.bearer.malformed-request",
    "RS-400-INVALID-REQUEST",
    expected="400 invalid_request (another refusal is tolerated) and never success or 5xx",
    why="Two headers, two readers: a gateway may check the first token and the application believe the second.",
    fix="Refuse a request with two Authorization headers, an empty token, or a second token in the body.",
)
def malformed_request(server: ResourceServer) -> Problems:
    """A request that carries its token in a confused way is refused."""
    for exchange in _confused(server):
        if not 400 <= status(exchange) < 500:
            yield Problem(f"{shown(exchange)} to: {exchange.name}", exchange)
        elif status(exchange) != 400:
            yield Problem(f"{status(exchange)} where 400 is asked for, to: {exchange.name}", exchange, soft=True)


def _confused(server: ResourceServer) -> Iterator[Exchange]:
    why = "A request whose credentials can be read in two ways must not be read at all."
    spec = "RFC 6750 §3.1"
    token = server.token if Capability.TOKEN in server.target.capabilities else GARBAGE
    yield server.ask(server.first(extra=(("authorization", "Bearer"),)), "Bearer without a token", why, spec)
    twice = (("authorization", f"Bearer {token}"), ("authorization", f"Bearer {GARBAGE}"))
    yield server.ask(server.first(extra=twice), "Two Authorization headers, the valid one first", why, spec)
    yield server.ask(server.first(extra=twice[::-1]), "Two Authorization headers, the valid one last", why, spec)
    if Capability.TOKEN in server.target.capabilities:
        form = Request(
            "POST",
            server.target.url,
            (*_FORM, ("authorization", f"Bearer {token}")),
            f"access_token={quote(token)}".encode(),
        )
        yield server.ask(form, "A token in the header and one in the form", why, spec)


@checks.add(
    "rs.bearer.only-in-header",
    "RS-TOKEN-OUTSIDE-HEADER",
    expected="401, as if there were no token",
    why="URLs end up in logs, histories and Referer headers, and a token in one of them is everybody's.",
    fix="Read the token from the Authorization header only.",
    needs=(Capability.TOKEN,),
)
def only_in_header(server: ResourceServer) -> Problems:
    """A token in the query or in the body is not taken."""
    server.require_control()
    why = "The only place where a token counts is the Authorization header."
    spec = "OAuth 2.1 §5.1"
    token, url = server.token, server.target.url
    address = f"{url}{'&' if '?' in url else '?'}access_token={quote(token)}"
    bad = (("authorization", f"Bearer {GARBAGE}"),)
    in_query = (
        server.ask(server.first(url=address), "A valid token in the query", why, spec),
        server.ask(
            server.first(url=address, extra=bad), "A bad token in the header, a valid one in the query", why, spec
        ),
    )
    for exchange in in_query:
        if status(exchange) != 401 and not like_anonymous(server, exchange) and not like_garbage(server, exchange):
            yield Problem(f"{shown(exchange)} to: {exchange.name}", exchange, soft=400 <= status(exchange) < 500)
    first = server.first()
    members = json.loads(first.body) | {"access_token": token}
    in_body = (
        server.ask(
            Request("POST", url, first.headers, json.dumps(members).encode()), "A valid token in the JSON", why, spec
        ),
        server.ask(
            Request("POST", url, _FORM, f"access_token={quote(token)}".encode()), "A valid token in a form", why, spec
        ),
    )
    for exchange in in_body:
        if 200 <= status(exchange) < 300 and not like_anonymous(server, exchange):
            yield Problem(f"{shown(exchange)} to: {exchange.name}", exchange)


@checks.add(
    "rs.bearer.robust",
    "RS-TOK-ROBUST",
    expected="401 (400 or 431 for a huge one) within five seconds, no 5xx, no stack trace",
    why="What crashes on garbage can be made to crash at will, and tells strangers about its inside.",
    fix="Catch whatever parsing a token can throw, and answer it like any other bad token.",
)
def robust(server: ResourceServer) -> Problems:
    """Whatever is no access token leads to a prompt refusal."""
    server.require_control()
    for credentials, what in _rubbish():
        extra = (("authorization", credentials),)
        try:
            exchange = server.ask(
                server.first(extra=extra),
                f"Credentials that are {what}",
                "Nothing that a client may send should be able to crash the check of a token.",
                "MCP 2026-07-28 Authorization",
            )
        except GivenUp:
            raise
        except Unanswered as failure:
            yield Problem(f"no answer to credentials that are {what}: {failure}", failure.exchange)
            continue
        allowed = (400, 401, 413, 431) if "huge" in what else (400, 401)
        known = like_anonymous(server, exchange) or like_garbage(server, exchange)
        if status(exchange) not in allowed and not known:
            yield Problem(f"{shown(exchange)} to credentials that are {what}", exchange)
        if any(trace in response(exchange).body for trace in _TRACES):
            yield Problem(f"a stack trace in the answer to credentials that are {what}", exchange)
        if exchange.seconds > _PROMPT:
            yield Problem(f"{exchange.seconds:.1f} s to refuse credentials that are {what}", exchange)


def _rubbish() -> Iterator[tuple[str, str]]:
    header = encode(b'{"alg":"RS256","kid":"1"}').decode()
    yield "Basic Y29uZjpjb25m", "of the scheme Basic"
    yield f"Token {GARBAGE}", "of a scheme nobody registered"
    yield f"DPoP {GARBAGE}", "of the scheme DPoP"
    yield "Bearer a", "one letter"
    yield f"Bearer {header}", "one segment of a JWT"
    yield f"Bearer {header}.e30", "two segments of a JWT"
    yield f"Bearer {header}.e30.c2ln.c2ln.c2ln", "five segments, like an encrypted JWT"
    yield "Bearer ~~~.~~~.~~~", "not base64"
    yield f"Bearer {header}.W10.c2ln", "a JWT whose payload is no object"
    yield f"Bearer {encode(b'[]').decode()}.e30.c2ln", "a JWT whose header is no object"
    yield f"Bearer {encode(b'{' * 400).decode()}.e30.c2ln", "a JWT whose header is no JSON"
    yield f"Bearer {'a' * 16384}", "a huge word"
