"""What a token is good for: its resource, its scopes, its time (RFC 8707, RFC 9068, OAuth 2.1 §1.4)."""

from contextlib import suppress
from typing import Any, cast

from conformance.check import Blocked, NotApplicable, Problem, Problems
from conformance.checks.authz import checks
from conformance.checks.authz.authorize import never_a_code, require_control
from conformance.checks.authz.codes import attacked
from conformance.target import Capability
from conformance.views.answers import shown
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.forms import location, outcome, parameters
from conformance.views.grants import claims_of, error_of, scopes_of, tokens
from mcp_demo.exchange.model import Exchange

_FLOW = (Capability.SIGN_IN, Capability.CLIENT)
_MOST_SECONDS = 3600


@checks.add(
    "as.token.audience",
    "AS-TOKEN-AUD",
    expected="aud naming the resource that was asked for, and no other",
    why="A token that is good everywhere can be carried from one server to the next.",
    fix="Bind the token to resource; where the issuer cannot, use scopes that belong to one resource only.",
    cognito="Needs resource binding (managed login, Essentials or Plus). Else only scopes tell.",
    needs=_FLOW,
)
def audience(server: AuthorizationServer) -> Problems:
    """The token is for the resource that was named."""
    _, exchange = server.main
    claims = claims_of(server.granted)
    if claims is None:
        raise NotApplicable("The token is opaque to its client, as it may be.")
    found: Any = claims.get("aud")
    named = [str(item) for item in cast("list[Any]", found)] if isinstance(found, list) else [found] if found else []
    scopes = str(claims.get("scope", "")).split()
    mapped = not named and scopes and all(scope.startswith(server.resource.rstrip("/") + "/") for scope in scopes)
    if named != [server.resource] and not mapped:
        yield Problem(f"aud is {found!r}, asked for was {server.resource}", exchange)


@checks.add(
    "as.token.short-lived",
    "AS-TOKEN-SHORT-LIVED",
    expected="at most an hour",
    why="A stolen token works until it expires; nothing else ends it.",
    fix="Set the validity of access tokens to an hour or less, and let clients refresh.",
    needs=_FLOW,
)
def short_lived(server: AuthorizationServer) -> Problems:
    """Access tokens live shortly."""
    _, exchange = server.main
    found = server.granted
    claims = claims_of(found) or {}
    lifetime: Any = claims["exp"] - claims["iat"] if {"exp", "iat"} <= claims.keys() else found.get("expires_in")
    if isinstance(lifetime, int | float) and lifetime > _MOST_SECONDS:
        yield Problem(f"the token lives {lifetime:.0f} seconds", exchange)
    elif not isinstance(lifetime, int | float):
        yield Problem("nothing says how long the token lives", exchange)


@checks.add(
    "as.token.scope",
    "AS-SCOPE-NO-ESCALATION",
    expected="no scope that was not asked for, agreed to, and allowed, whatever the token request says",
    why="A person agrees to what is shown; a token that can do more was obtained by a trick.",
    fix="Remember the scopes with the code, send them upstream explicitly, and check what comes back.",
    cognito="Without scope, the user pool grants every scope of the app client.",
    needs=_FLOW,
)
def scope(server: AuthorizationServer) -> Problems:
    """The token can do no more than was asked for."""
    _, exchange = server.main
    granted = scopes_of(server.granted) or []
    beyond = set(granted) - set(server.scopes[:1])
    if beyond:
        yield Problem(f"asked for {server.scopes[0]}, got {' '.join(granted)} as well", exchange)
    wider = server.once("wider", lambda: _wider(server))
    more = set(scopes_of(tokens(wider)) or []) - set(server.scopes[:1])
    if more:
        yield Problem(f"the token request named more scopes, and got {' '.join(sorted(more))}", wider)
    with suppress(Blocked):  # who refuses a login without a scope is safe too
        silent = server.once("no scope", lambda: _scopeless(server))
        unasked = set(scopes_of(tokens(silent)) or []) - set(server.scopes)
        if unasked:
            yield Problem(f"without any scope in the request, got {' '.join(sorted(unasked))}", silent)
    require_control(server, server.client)
    greedy = "aws.cognito.signin.user.admin"
    refused = server.authorize(
        server.client, "With a scope that is not the client's", scope=f"{server.scopes[0]} {greedy}"
    )
    if outcome(refused, server.client.redirect_uri) == "proceeds" and greedy in parameters(location(refused) or "").get(
        "scope", ""
    ):
        yield Problem(f"{greedy} is passed on", refused)


def _scopeless(server: AuthorizationServer) -> Exchange:
    return server.redeem(server.grant("A login that names no scope", scope=None), "The code of a login without a scope")


def _wider(server: AuthorizationServer) -> Any:
    if len(server.every_scope) < 2:
        return server.main[1]
    grant = server.grant("A login whose code is redeemed with more scopes", scope=server.scopes[0])
    return server.redeem(grant, "With more scopes", scope=" ".join(server.every_scope))


@checks.add(
    "as.token.invalid-target",
    "AS-RESOURCE-INVALID-TARGET",
    expected="invalid_target for an unknown, relative or fragment-bearing resource, and for another one than granted",
    why="A resource that is ignored gives a token that is good for something else than was asked for.",
    fix="Compare resource with the one that you issue tokens for, at both endpoints.",
    cognito="The user pool binds tokens to any URL: the bridge has to know its resource.",
    needs=(Capability.CLIENT,),
)
def invalid_target(server: AuthorizationServer) -> Problems:
    """Tokens are issued for known resources only."""
    client = server.trusted_client if server.target.client is not None else server.client
    require_control(server, client)
    for value, words in (
        ("https://other.conformance.example/mcp", "an unknown resource"),
        ("/mcp", "a relative resource"),
        (f"{server.resource}#x", "a resource with a fragment"),
    ):
        exchange = server.authorize(client, f"For {words}", resource=value)
        what = outcome(exchange, client.redirect_uri)
        named = parameters(location(exchange) or "").get("error")
        if what == "error" and named != "invalid_target":
            yield Problem(f"{named} instead of invalid_target for {words}", exchange)
        elif what in ("code", "crashed"):
            yield Problem(f"{shown(exchange)} for {words}", exchange)
        elif what == "proceeds":
            yield from never_a_code(server, client, f"For {words}", resource=value)
    if Capability.SIGN_IN not in server.target.capabilities:
        return
    foreign = attacked(server, "another resource")
    if tokens(foreign) or error_of(foreign) != "invalid_target":
        yield Problem(f"{shown(foreign)}, {error_of(foreign)} for a code with another resource", foreign)


@checks.add(
    "as.token.resource-case",
    "AS-RESOURCE-CASE",
    expected="the same outcome for upper case in scheme and host",
    why="Scheme and host mean the same in any case, and some clients build them so.",
    fix="Bring scheme and host to lower case before comparing.",
    needs=(Capability.CLIENT,),
)
def resource_case(server: AuthorizationServer) -> Problems:
    """Upper case in the resource's scheme and host makes no difference."""
    client = server.client
    require_control(server, client)
    scheme, _, rest = server.resource.partition("://")
    host, slash, path = rest.partition("/")
    loud = f"{scheme.upper()}://{host.upper()}{slash}{path}"
    exchange = server.authorize(client, "With the resource in upper case", resource=loud)
    if outcome(exchange, client.redirect_uri) != "proceeds":
        yield Problem(f"{shown(exchange)} for {loud}", exchange)
    elif Capability.SIGN_IN in server.target.capabilities:
        yield from _same_audience(server, loud)


def _same_audience(server: AuthorizationServer, loud: str) -> Problems:
    expected = (claims_of(server.granted) or {}).get("aud")
    exchange = server.once("loud", lambda: _asked_for(server, loud))
    found = (claims_of(tokens(exchange)) or {}).get("aud")
    if not tokens(exchange):
        yield Problem(f"{shown(exchange)}, {error_of(exchange)} for a code that was asked for {loud}", exchange)
    elif found != expected:
        yield Problem(f"aud is {found!r} for {loud}, and else {expected!r}", exchange)


def _asked_for(server: AuthorizationServer, resource: str) -> Exchange:
    grant = server.grant("A login for the resource in upper case", scope=server.scopes[0], resource=resource)
    return server.redeem(grant, "The code of the resource in upper case", resource=resource)
