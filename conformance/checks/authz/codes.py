"""Authorization codes (OAuth 2.1 §4.1.2, §4.1.3; RFC 7636; RFC 9700 §4.8.2).

All attacks are made on one code, which is redeemed rightly in the end. That last success proves that the code was
good when it was refused; where it fails, because a server withdraws a code after the first mistake, each attack gets
another.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from conformance.check import Blocked, NotApplicable, Problem, Problems
from conformance.checks.authz import checks
from conformance.checks.authz.authorize import require_control
from conformance.target import Capability
from conformance.views.answers import shown, status
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.forms import outcome, parameters
from conformance.views.grants import Client, Grant, error_of, tokens
from mcp_demo.exchange.model import Exchange
from mcp_demo.oauth import pkce

_NEEDS = (Capability.SIGN_IN, Capability.CLIENT)
Attack = Callable[[AuthorizationServer, Grant], Exchange]

ATTACKS: Mapping[str, Attack] = {
    "wrong verifier": lambda server, grant: server.redeem(grant, "With a wrong verifier", code_verifier="w" * 43),
    "challenge as verifier": lambda server, grant: server.redeem(
        grant, "With the challenge as verifier", code_verifier=pkce.challenge(grant.verifier)
    ),
    "no verifier": lambda server, grant: server.redeem(grant, "Without a verifier", code_verifier=None),
    "another client": lambda server, grant: server.redeem(grant, "As another client", client=server.other_client),
    "another redirect URI": lambda server, grant: server.redeem(
        grant, "With another redirect URI", redirect_uri=other_port(grant.client)
    ),
    "another resource": lambda server, grant: server.redeem(
        grant, "For another resource", resource="https://other.conformance.example/mcp"
    ),
}


def other_port(client: Client) -> str:
    """A redirect URI that the client may use, and has not used: the same with another port, where that is allowed."""
    return (
        client.redirect_uri.replace(":49152", ":49154")
        if ":49152" in client.redirect_uri
        else client.redirect_uri + "x"
    )


def attacked(server: AuthorizationServer, name: str) -> Exchange:
    """The answer to an attack on a code that was good."""
    kept = server.once("attacks", lambda: _attack_all(server))
    found = kept.get(name)
    if found is None:
        raise Blocked("This takes a second client, and only one is known.", Capability.CLIENT)
    return found


def _attack_all(server: AuthorizationServer) -> dict[str, Exchange]:
    grant = server.grant("A login whose code is attacked")
    found: dict[str, Exchange] = {}
    for name, attack in ATTACKS.items():
        with suppress(Blocked):
            found[name] = attack(server, grant)
        if name not in found:
            continue
        if tokens(found[name]):  # the attack went through: the code is gone
            grant = server.grant("A login whose code is attacked")
    control = server.redeem(grant, "And at last, rightly")
    if tokens(control):
        return found
    for name in found:
        if not tokens(found[name]):
            found[name] = ATTACKS[name](server, server.grant(f"A login whose code is attacked: {name}"))
    return found


def _judge(server: AuthorizationServer, name: str, *expected: str) -> Problems:
    exchange = attacked(server, name)
    if tokens(exchange):
        yield Problem(f"tokens for a code with {name}", exchange)
    elif not 400 <= status(exchange) < 500 or error_of(exchange) not in expected:
        yield Problem(f"{shown(exchange)}, {error_of(exchange)} instead of {expected[0]}: {name}", exchange)


@checks.add(
    "as.code.verifier",
    "AS-PKCE-VERIFIER",
    expected="400 invalid_grant for a wrong verifier and for the challenge itself; no tokens without one",
    why="The verifier is all that keeps a stolen code from being redeemed.",
    fix="Hash the verifier, compare it with the challenge of the code, and refuse where it is missing.",
    needs=_NEEDS,
)
def verifier(server: AuthorizationServer) -> Problems:
    """A code is redeemed only with its verifier."""
    yield from _judge(server, "wrong verifier", "invalid_grant")
    yield from _judge(server, "challenge as verifier", "invalid_grant")
    yield from _judge(server, "no verifier", "invalid_request", "invalid_grant")


@checks.add(
    "as.code.client-bound",
    "AS-CODE-CLIENT-BOUND",
    expected="400 invalid_grant for another client",
    why="A client that gets hold of a code would get the tokens of its user.",
    fix="Store the client_id with the code, and compare.",
    needs=_NEEDS,
)
def client_bound(server: AuthorizationServer) -> Problems:
    """A code is good for its own client only."""
    yield from _judge(server, "another client", "invalid_grant", "invalid_client")


@checks.add(
    "as.code.redirect-bound",
    "AS-CODE-REDIRECT-BOUND",
    expected="400 invalid_grant for another redirect URI than the one of the request",
    why="Otherwise a code that was sent to one place can be redeemed as if it had been sent to another.",
    fix="Compare with the value bound to the code, not with the list of registered ones.",
    needs=_NEEDS,
)
def redirect_bound(server: AuthorizationServer) -> Problems:
    """A code is good with its own redirect URI only."""
    yield from _judge(server, "another redirect URI", "invalid_grant")


@checks.add(
    "as.code.single-use",
    "AS-CODE-SINGLE-USE",
    expected="tokens once; invalid_grant ever after, also when ten requests come at the same time",
    why="A code that was seen by somebody else would be worth a second set of tokens.",
    fix="Mark it used and check that in one atomic step.",
    needs=_NEEDS,
)
def single_use(server: AuthorizationServer) -> Problems:
    """A code works once."""
    first, again = server.once("replay", lambda: _twice(server))
    if not tokens(first):
        raise Blocked(f"The first use is answered {shown(first)}; as.token.response says more.")
    if tokens(again):
        yield Problem("the same code gives tokens twice", again)
    elif error_of(again) != "invalid_grant":
        yield Problem(f"{shown(again)}, {error_of(again)} for a used code", again)
    parallel = server.once("parallel", lambda: _parallel(server))
    won = [exchange for exchange in parallel if tokens(exchange)]
    if len(won) > 1:
        yield Problem(f"{len(won)} of {len(parallel)} parallel requests with one code get tokens", won[1])


def _twice(server: AuthorizationServer) -> tuple[Exchange, Exchange]:
    grant = server.grant("A login whose code is used twice")
    return server.redeem(grant, "A code"), server.redeem(grant, "The same code again")


def _parallel(server: AuthorizationServer) -> list[Exchange]:
    grant = server.grant("A login whose code is used ten times at once")
    if not server.session.concurrent:
        return [server.redeem(grant, "One of several uses") for _ in range(3)]
    with ThreadPoolExecutor(10) as pool:
        uses = [pool.submit(server.redeem, grant, "One of ten uses at once") for _ in range(10)]
        return [use.result() for use in uses]


@checks.add(
    "as.code.downgrade",
    "AS-PKCE-DOWNGRADE",
    expected="400 for a verifier where the code was issued without a challenge",
    why="An attacker strips the challenge from the request; the client still sends its verifier, and nobody notices.",
    fix="Refuse a verifier when there is no challenge to compare it with.",
    needs=_NEEDS,
)
def downgrade(server: AuthorizationServer) -> Problems:
    """A verifier is refused where there was no challenge."""
    clients = [server.client]
    with suppress(Blocked, NotApplicable):
        clients.append(server.confidential)
    for client in clients:
        require_control(server, client)
        changes: dict[str, Any] = {"code_challenge": None, "code_challenge_method": None}
        exchange = server.authorize(client, f"Without code_challenge, as {client.name}", **changes)
        if outcome(exchange, client.redirect_uri) not in ("proceeds", "code"):
            continue
        journey = server.travel(client, f"Without code_challenge, as {client.name}, all the way", **changes)
        code = parameters(journey.returned or "").get("code")
        if code is None:
            continue
        answer = server.redeem(Grant(client, journey, code), "With a verifier that nothing was said about")
        if tokens(answer):
            yield Problem(f"tokens for a verifier without a challenge, for a {client.name}", answer)
        return
    raise NotApplicable("No client gets a code without a challenge.")


checks.exclude(
    "as.code.lifetime",
    "AS-CODE-LIFETIME",
    title="A code expires within about ten minutes",
    why="The longer a code lives, the longer a stolen one can be used.",
    reason="It takes more than ten minutes of waiting, and nothing else shows how long a code is good. By hand: keep a "
    "code for eleven minutes and redeem it; invalid_grant is right.",
)
