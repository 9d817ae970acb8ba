"""Refresh tokens (OAuth 2.1 §4.3, MCP Token Theft)."""

from contextlib import suppress

from conformance.check import Blocked, NotApplicable, Problem, Problems
from conformance.checks.authz import checks
from conformance.target import Capability
from conformance.views.answers import shown
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.grants import claims_of, error_of, tokens
from mcp_demo.exchange.model import Exchange

_NEEDS = (Capability.SIGN_IN, Capability.CLIENT)


def _first(server: AuthorizationServer) -> Exchange:
    refreshed = server.refreshed
    if refreshed is None:
        if not tokens(server.main[1]):
            raise Blocked("The main login gave no tokens; as.token.response says more.")
        raise NotApplicable("No refresh token is issued.")
    return refreshed


@checks.add(
    "as.refresh.bound",
    "AS-RT-BOUND",
    expected="invalid_grant for another client, invalid_scope for more scopes, invalid_target for another resource",
    why="A refresh token lives long; stolen, it must not be worth more than it was.",
    fix="Keep client, scopes and resource with the token, and compare before calling upstream.",
    needs=_NEEDS,
)
def bound(server: AuthorizationServer) -> Problems:
    """A refresh token works for its client, scopes and resource only."""
    if not tokens(_first(server)):
        raise Blocked("The refresh itself does not work; as.refresh.rotation says more.")
    for name, expected in (
        ("more scopes", "invalid_scope"),
        ("another resource", "invalid_target"),
        ("another client", "invalid_grant"),
    ):
        exchange = server.once("bound", lambda: _bound(server)).get(name)
        if exchange is None:
            continue
        if tokens(exchange) and _no_more(server, exchange, name):
            yield Problem(f"{name}: ignored without a word, the token is worth no more", exchange, soft=True)
        elif tokens(exchange):
            yield Problem(f"tokens for {name}", exchange)
        elif error_of(exchange) not in (expected, "invalid_client" if name == "another client" else expected):
            yield Problem(f"{shown(exchange)}, {error_of(exchange)} instead of {expected} for {name}", exchange)


def _no_more(server: AuthorizationServer, exchange: Exchange, name: str) -> bool:
    """Whether a token that was asked for more can do no more than the login allowed."""
    found = claims_of(tokens(exchange))
    if found is None or name == "another client":
        return False
    if name == "more scopes":
        granted = tokens(exchange).get("scope", found.get("scope"))
        return isinstance(granted, str) and set(granted.split()) <= {server.scopes[0]}
    return found.get("aud") in (server.resource, [server.resource])


def _bound(server: AuthorizationServer) -> dict[str, Exchange]:
    """Each wrong use of a fresh refresh token, the gravest last."""
    grant = server.grant("A login whose refresh token is attacked", scope=server.scopes[0])
    token = str(tokens(server.redeem(grant, "The code for tokens")).get("refresh_token"))
    found: dict[str, Exchange] = {}
    if len(server.every_scope) > 1:
        found["more scopes"] = server.refresh(
            grant.client, token, "A refresh for more scopes", scope=" ".join(server.every_scope)
        )
        token = str(tokens(found["more scopes"]).get("refresh_token") or token)
    found["another resource"] = server.refresh(
        grant.client, token, "A refresh for another resource", resource="https://other.conformance.example/mcp"
    )
    token = str(tokens(found["another resource"]).get("refresh_token") or token)
    with suppress(Blocked):
        found["another client"] = server.refresh(server.other_client, token, "A refresh by another client")
    return found


@checks.add(
    "as.refresh.rotation",
    "AS-RT-ROTATION",
    expected="another refresh token each time; an old one is refused, and ends the login",
    why="A stolen refresh token of a public client works for ever, unless its second use is noticed.",
    fix="Rotate, remember the family, and end it when an old token comes back.",
    cognito="Rotation is off by default: EnableTokenRotation per app client, with a grace of up to 60 seconds.",
    needs=_NEEDS,
)
def rotation(server: AuthorizationServer) -> Problems:
    """Refresh tokens are used once."""
    exchange = _first(server)
    grant, main = server.main
    if grant.client.secret is not None:
        raise NotApplicable("The only client that is known is a confidential one.")
    old, new = tokens(main).get("refresh_token"), tokens(exchange).get("refresh_token")
    if not tokens(exchange):
        yield Problem(f"{shown(exchange)}, {error_of(exchange)} for a good refresh token", exchange)
        return
    if new is None or new == old:
        yield Problem("the refresh token stays the same", exchange)
        return
    second, replay, latest = server.once("rotation", lambda: _replayed(server, str(old), str(new)))
    if not tokens(second):
        yield Problem(f"{shown(second)}, {error_of(second)} for the rotated refresh token", second)
    if tokens(replay):
        yield Problem("an old refresh token still gives tokens", replay)
    elif error_of(replay) != "invalid_grant":
        yield Problem(f"{shown(replay)}, {error_of(replay)} for an old refresh token", replay)
    if latest is not None and tokens(latest):
        yield Problem("the use of an old refresh token does not end the login", latest, soft=True)


def _replayed(server: AuthorizationServer, old: str, new: str) -> tuple[Exchange, Exchange, Exchange | None]:
    """Two rotations on, the first token again: a grace period covers the last one only. Then the newest."""
    client = server.main[0].client
    second = server.refresh(client, new, "The rotated refresh token")
    newest = tokens(second).get("refresh_token")
    replay = server.refresh(client, old, "The first refresh token again")
    latest = server.refresh(client, str(newest), "The newest one, after that") if newest else None
    return second, replay, latest
