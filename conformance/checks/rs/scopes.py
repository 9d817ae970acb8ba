"""What a token allows, and the 403 that asks for more (RFC 6750 §3.1, MCP Authorization › Scope Challenge Handling)."""

from conformance import mcp_message
from conformance.check import Blocked, NotApplicable, Problem, Problems
from conformance.checks.rs import checks
from conformance.target import Capability
from conformance.views.answers import bearer, members, response, shown, status, succeeded
from conformance.views.resource_server import ResourceServer
from mcp_demo.exchange.model import Exchange

_NEEDS = (Capability.TOKEN, Capability.OPERATION)


@checks.add(
    "rs.scope.enforced",
    "RS-TOK-SCOPE",
    expected="no execution without the scope itself, compared whole and case-sensitively",
    why="Scopes that are advertised but not checked, or checked as substrings, protect nothing.",
    fix="Split scope at spaces and look for the needed values in the set.",
    cognito="Cognito's scopes are <resource-server id>/<name>: compare all of it, or another server's scope fits too.",
    needs=_NEEDS,
)
def enforced(server: ResourceServer) -> Problems:
    """An operation runs only with its scope."""
    exchange = server.underprivileged()
    if _ran(exchange):
        yield Problem(f"{shown(exchange)}: the tool ran without its scope", exchange)
        return
    if server.target.issuer is None:
        return
    for needed in server.issuer.scopes[1:]:
        basic = server.issuer.scopes[0]
        for scope in (f"{needed}x", f"x{needed}", needed.swapcase(), needed.rpartition("/")[2], f"{needed}\x0b"):
            token = server.issuer.token(scope=f"{basic} {scope}")
            similar = server.operate(token, f"A token whose scope only resembles the needed one: {scope!a}")
            if _ran(similar):
                yield Problem(f"the tool ran with the scope {scope!a} instead of {needed}", similar)


def _ran(exchange: Exchange) -> bool:
    result = mcp_message.result(response(exchange).body)
    return 200 <= status(exchange) < 300 and result is not None and not result.get("isError")


@checks.add(
    "rs.scope.status",
    "RS-403-STATUS",
    expected="403",
    why="401 makes a client refresh and try again, for ever; 200 with an error inside tells it nothing.",
    fix="Answer a valid token that lacks a scope with 403, before the request reaches the MCP code.",
    needs=_NEEDS,
)
def status_code(server: ResourceServer) -> Problems:
    """A valid token that lacks a scope is answered 403."""
    exchange = server.underprivileged()
    if status(exchange) != 403:
        yield Problem(f"{shown(exchange)} to a valid token that lacks the scope", exchange)


@checks.add(
    "rs.scope.challenge",
    "RS-403-INSUFFICIENT-SCOPE",
    expected='403 with Bearer error="insufficient_scope", scope and resource_metadata, the same each time',
    why="Without this challenge a client cannot ask its person for more (step-up).",
    fix="Send WWW-Authenticate with every 403, built from the scopes of the operation.",
    needs=_NEEDS,
)
def challenge(server: ResourceServer) -> Problems:
    """The 403 says which scopes are missing."""
    exchange = _forbidden(server)
    found = bearer(exchange)
    if found is None:
        yield Problem("the 403 carries no Bearer challenge", exchange)
        return
    if found.parameters.get("error") != "insufficient_scope":
        yield Problem(f"error is {found.parameters.get('error')!r} instead of insufficient_scope", exchange)
    if not found.scopes:
        yield Problem("the 403 names no scope", exchange)
    url = found.parameters.get("resource_metadata")
    if url is None:
        yield Problem("the 403 names no resource_metadata", exchange)
    elif not url.startswith(("https://", "http://")) or members(server.document(url)) is None:
        yield Problem(f"resource_metadata of the 403 leads nowhere: {url}", exchange)
    again = bearer(server.underprivileged(turn=1))
    if again is None or set(again.scopes) != set(found.scopes):
        yield Problem("asked twice, the 403 names different scopes", exchange)


def _forbidden(server: ResourceServer) -> Exchange:
    exchange = server.underprivileged()
    if status(exchange) != 403:
        raise Blocked(f"The answer is {shown(exchange)} and no 403; rs.scope.status says more.")
    return exchange


@checks.add(
    "rs.scope.one-challenge",
    "RS-403-ONE-CHALLENGE",
    expected="success with a token of exactly the scopes that the 403 named",
    why="A server that names one missing scope a time sends its person through consent again and again.",
    fix="Name all scopes of the operation in the first 403.",
    needs=(Capability.TEST_ISSUER, Capability.OPERATION),
)
def one_challenge(server: ResourceServer) -> Problems:
    """What the 403 names is all that is needed."""
    exchange = _forbidden(server)
    found = bearer(exchange)
    if found is None or not found.scopes:
        raise Blocked("The 403 names no scopes to try; rs.scope.challenge says more.")
    token = server.issuer.token(scope=" ".join(found.scopes))
    again = server.operate(token, "A token with exactly the scopes that the 403 named")
    if not _ran(again):
        yield Problem(f"{shown(again)} to a token with exactly the scopes of the 403", again)


@checks.add(
    "rs.scope.preserve",
    "RS-403-SCOPE-PRESERVE",
    expected="the granted scopes of this server together with the missing ones",
    why="In this revision a client asks for what the challenge names: what is not in it, the next token lacks.",
    fix="For this revision, name the granted scopes too.",
    needs=_NEEDS,
)
def preserve(server: ResourceServer) -> Problems:
    """The 403 repeats what was granted already."""
    exchange = _forbidden(server)
    found, first = bearer(exchange), bearer(server.anonymous)
    granted = {server.target.issuer.scopes[0]} if server.target.issuer else set(first.scopes if first else ())
    lost = granted - set(found.scopes if found else ())
    if lost:
        yield Problem(f"the 403 leaves out {', '.join(sorted(lost))}, which the token has", exchange)


@checks.add(
    "rs.scope.hierarchy",
    "RS-SCOPE-HIERARCHY",
    expected="success with the broader scope alone",
    why="A client that holds the broader scope would be sent through step-up for ever.",
    fix="Expand broader scopes into those they imply before comparing.",
    needs=(Capability.TEST_ISSUER,),
)
def hierarchy(server: ResourceServer) -> Problems:
    """A broader scope does for the narrower one."""
    if server.target.broader is None:
        raise NotApplicable("Nobody said that the scopes of this server form a hierarchy.")
    server.require_control()
    exchange = server.present(
        server.issuer.token(scope=server.target.broader),
        "A token with the broader scope only",
        "It implies the scope that is needed.",
        "MCP 2026-07-28 Authorization",
    )
    if not succeeded(exchange):
        yield Problem(f"{shown(exchange)} to a token with the broader scope {server.target.broader}", exchange)
