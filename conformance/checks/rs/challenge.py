"""The 401 challenge: where everything starts (RFC 6750 §3, RFC 9728 §5.1, MCP Authorization › Error Handling)."""

import re
from collections.abc import Iterator

from conformance import mcp_message
from conformance.check import NotApplicable, Problem, Problems
from conformance.checks.rs import checks, probes
from conformance.views.answers import bearer, fields, media_type, shown, status, succeeded
from conformance.views.resource_server import ResourceServer
from mcp_demo.exchange.model import Exchange
from mcp_demo.oauth import challenge

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - RFC 9110 §5.6.2, not a password
_PARAMETER = rf'{_TOKEN}[ \t]*=[ \t]*(?:{_TOKEN}|"(?:[\t \x21\x23-\x5B\x5D-\x7E]|\\[\t \x21-\x7E])*")'
_CHALLENGE = rf"{_TOKEN}(?: +(?:{_PARAMETER}(?:[ \t]*,[ \t]*{_PARAMETER})*|[A-Za-z0-9\-._~+/]+=*))?"
_FIELD = re.compile(rf"{_CHALLENGE}(?:[ \t]*,[ \t]*{_CHALLENGE})*")
_ALLOWED = {
    "error": re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+"),
    "error_description": re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+"),
    "scope": re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*"),
}
_NASTY = ('a"b', "a\\b", 'x", error="pwned', "t\xf6ken", "a b", "<script>")


@checks.add(
    "rs.challenge.missing-token",
    "RS-401-CHALLENGE",
    expected="401 with WWW-Authenticate: Bearer and at least one parameter",
    why="A client learns only from the challenge that it has to authorize, and where to begin.",
    fix='Answer requests without credentials 401 with WWW-Authenticate: Bearer resource_metadata="…".',
    cognito="An API Gateway authorizer answers 401 without a usable challenge, and REST APIs rename the header to"
    " x-amzn-remapped-www-authenticate: let the server itself, or an HTTP API, answer.",
)
def missing_token(server: ResourceServer) -> Problems:
    """A request without a token is answered 401 with a Bearer challenge."""
    exchange = server.anonymous
    if status(exchange) != 401:
        yield Problem(f"{shown(exchange)} to a request without a token", exchange)
        return
    found = bearer(exchange)
    if found is None:
        named = ", ".join(fields(exchange, "www-authenticate")) or "no WWW-Authenticate"
        yield Problem(f"401 without a readable Bearer challenge ({named})", exchange)
    elif not found.parameters:
        yield Problem("401 with a Bearer challenge that has no parameter", exchange)


@checks.add(
    "rs.challenge.every-request",
    "RS-AUTH-ALL-REQUESTS",
    expected="401 (or 405, 404, 400) and no JSON-RPC result, whatever is asked",
    why="One unguarded way in is enough to use the server without signing in.",
    fix="Put authorization in front of the whole endpoint, not into single handlers.",
    cognito="A $default route or a second path in API Gateway can lack the authorizer that the first one has.",
)
def every_request(server: ResourceServer) -> Problems:
    """Nothing is answered without a token: no method, no path, no way of asking."""
    open_to_all = False
    for exchange in probes.ways_in(server):
        if mcp_message.method(exchange.request.body) in server.target.anonymous:
            continue  # open on purpose, says who runs it
        asked = f"{exchange.request.method} {exchange.name.removeprefix('Without a token: ')}"
        if 200 <= status(exchange) < 300:
            open_to_all = True
            yield Problem(f"{shown(exchange)} without a token to {asked}", exchange, soft=not _lets_in(exchange))
        elif status(exchange) >= 500 and status(exchange) != 501:
            yield Problem(f"{shown(exchange)} without a token to {asked}", exchange, soft=True)
    if not open_to_all:
        server.require_protection()


def _lets_in(exchange: Exchange) -> bool:
    """Whether something of the MCP server came through, and not just any page."""
    accepted = status(exchange) == 202 and exchange.request.method == "POST"
    return succeeded(exchange) or accepted or media_type(exchange) == "text/event-stream"


@checks.add(
    "rs.challenge.names-metadata",
    "RS-401-PRM-HEADER",
    expected="resource_metadata in the challenge, with and without a token in the request",
    why="In this revision the header is the only place where a client looks for the metadata.",
    fix="Build every 401 in one place, with resource_metadata in it.",
)
def names_metadata(server: ResourceServer) -> Problems:
    """Every 401 names the address of the metadata."""
    for exchange in probes.refusals(server):
        found = bearer(exchange)
        if status(exchange) == 401 and (found is None or "resource_metadata" not in found.parameters):
            yield Problem(f"no resource_metadata in the 401 to: {exchange.name}", exchange)
    if status(server.anonymous) != 401:
        yield Problem(f"{shown(server.anonymous)} instead of 401 to a request without a token", server.anonymous)


@checks.add(
    "rs.challenge.no-error-without-token",
    "RS-401-NO-ERROR-WITHOUT-TOKEN",
    expected="a challenge without error, error_description and error_uri",
    why="A client that is told invalid_token tries to refresh a token it never had, instead of authorizing.",
    fix="Leave the error parameters out when the request had no Authorization header (RFC 6750 §3.1).",
)
def no_error_without_token(server: ResourceServer) -> Problems:
    """Who sent no token is told of no error."""
    exchange = server.anonymous
    found = bearer(exchange)
    if status(exchange) != 401 or found is None:
        raise NotApplicable("There is no challenge to look into; rs.challenge.missing-token says more.")
    extra = [name for name in found.parameters if name.startswith("error")]
    if extra:
        yield Problem(f"the challenge to a request without a token carries {', '.join(extra)}", exchange)


@checks.add(
    "rs.challenge.scope-hint",
    "RS-401-SCOPE-HINT",
    expected="scope in the 401 challenge",
    why="Without a hint a client asks for every scope it finds, and is refused or trusted with too much.",
    fix="Add scope to the challenge, with what the request needs and nothing else.",
    cognito="The pool's metadata lists scopes of all resource servers; who asks for all is answered invalid_scope.",
)
def scope_hint(server: ResourceServer) -> Problems:
    """The challenge says which scopes to ask for."""
    exchange = server.anonymous
    found = bearer(exchange)
    if found is None:
        raise NotApplicable("There is no challenge to look into; rs.challenge.missing-token says more.")
    if not found.scopes:
        yield Problem("the challenge names no scope", exchange)
    elif "scope" in found.parameters and not _ALLOWED["scope"].fullmatch(found.parameters["scope"]):
        yield Problem(f"the scope of the challenge is malformed: {found.parameters['scope']}", exchange)


@checks.add(
    "rs.challenge.invalid-token",
    "RS-401-INVALID-TOKEN",
    expected='401 with error="invalid_token"',
    why="Only 401 makes a client get a new token; 403, 500 or a JSON-RPC error leave its person stuck.",
    fix='Answer every rejected token 401 with WWW-Authenticate: Bearer error="invalid_token".',
)
def invalid_token(server: ResourceServer) -> Problems:
    """A token that is not valid is answered 401 invalid_token."""
    for exchange in probes.rejected(server):
        found = bearer(exchange)
        if status(exchange) != 401:
            yield Problem(f"{shown(exchange)} instead of 401 to: {exchange.name}", exchange)
        elif found is None and bearer(server.anonymous) is None:
            continue  # there is no challenge at all: rs.challenge.missing-token says so, once
        elif found is None or found.parameters.get("error") != "invalid_token":
            named = found.parameters.get("error", "none") if found else "none"
            yield Problem(f"error {named} instead of invalid_token to: {exchange.name}", exchange, soft=True)


@checks.add(
    "rs.challenge.grammar",
    "RS-401-GRAMMAR",
    expected="well-formed WWW-Authenticate, no parameter twice, only the characters RFC 6750 allows",
    why="Clients drop a challenge they cannot read, and text of the request that is repeated unescaped can forge one.",
    fix="Quote values, never repeat anything of the request, write the header in one place.",
)
def grammar(server: ResourceServer) -> Problems:
    """Every challenge follows the grammar of HTTP, whatever the token was."""
    seen = 0
    for exchange in (*probes.refusals(server), *nasty_tokens(server)):
        for value in fields(exchange, "www-authenticate"):
            seen += 1
            wrong = grammar_fault(value)
            if wrong:
                yield Problem(f"{wrong} in the answer to: {exchange.name}", exchange)
        values = fields(exchange, "www-authenticate")
        if sum(item.lower().startswith("bearer") for item in values) > 1:
            yield Problem(f"two Bearer challenges in the answer to: {exchange.name}", exchange)
    if not seen:
        raise NotApplicable("The server sends no WWW-Authenticate; rs.challenge.missing-token says more.")


def nasty_tokens(server: ResourceServer) -> Iterator[Exchange]:
    """Tokens with characters that would break out of a quoted string."""
    for token in _NASTY:
        yield server.present(
            token,
            f"Token with awkward characters: {token!a}",
            "An answer that repeats the token, or an exception's text, unescaped is malformed or forged.",
            "RFC 9110 §11.6.1",
        )


def grammar_fault(value: str) -> str | None:
    """What is wrong with a WWW-Authenticate field, or None."""
    if not _FIELD.fullmatch(value):
        return "a WWW-Authenticate that does not follow the grammar"
    found = challenge.parse([value])
    if not found:
        return "a challenge with a parameter given twice"
    if sum(item.scheme.lower() == "bearer" for item in found) > 1:
        return "two Bearer challenges in one field"
    for item in found:
        for name, allowed in _ALLOWED.items():
            if name in item.parameters and not allowed.fullmatch(item.parameters[name]):
                return f"{name} with characters it may not have"
    return None
