"""The state that a proxy sends upstream (MCP Security Best Practices, OAuth State Parameter Validation)."""

from collections.abc import Sequence
from urllib.parse import urlencode

from conformance.check import Blocked, Problem, Problems
from conformance.checks.authz import checks
from conformance.checks.authz.front import Front, cookie_header, proxied, visit
from conformance.target import Capability
from conformance.views.answers import response, shown, status
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.forms import (
    cookies_of,
    leads_to,
    location,
    new_cookies,
    pairs,
    parameters,
)
from conformance.views.grants import STATE
from mcp_demo.exchange.model import Exchange

_NEEDS = (Capability.CLIENT,)


def _callback(
    server: AuthorizationServer, front: Front, state: str | None, cookies: dict[str, str], name: str
) -> Exchange:
    """Come back from upstream with a made-up code."""
    own = (front.upstream or {})["redirect_uri"]
    query = urlencode([("code", "conformance"), *((("state", state),) if state is not None else ())])
    url = f"{own}{'&' if '?' in own else '?'}{query}"
    return server.open(
        url,
        name,
        spec="MCP Security Best Practices › OAuth State Parameter Validation",
        headers=cookie_header(cookies),
        again=True,
    )


def _let_in(front: Front, exchange: Exchange) -> bool:
    return leads_to(location(exchange), front.client.redirect_uri) and "code" in parameters(location(exchange) or "")


def _refuses(front: Front, exchange: Exchange, words: str) -> Problems:
    if leads_to(location(exchange), front.client.redirect_uri):
        given = "a code" if _let_in(front, exchange) else "an answer"
        yield Problem(f"{given} for the client after a callback with {words}", exchange)
    elif status(exchange) >= 500 or status(exchange) == 200:
        yield Problem(f"{shown(exchange)} to a callback with {words}", exchange)


@checks.add(
    "as.proxy.state",
    "AS-PROXY-STATE",
    expected="another state each time; a callback with none, a changed, a used or another browser's state is refused",
    why="With a state that can be guessed, edited or carried over, a code is delivered to the wrong client or browser.",
    fix="Make it random, seal what it carries, tie it to a cookie, and take it once.",
    needs=_NEEDS,
)
def state(server: AuthorizationServer) -> Problems:
    """The state sent upstream is safe."""
    front = proxied(server)
    assert front.upstream is not None  # noqa: S101 - a proxy
    sent = front.upstream.get("state", "")
    second = server.once("second front", lambda: visit(server, server.client, "The same client again"))
    if not sent or (second.upstream or {}).get("state") == sent:
        yield Problem("the state sent upstream is missing or always the same", front.page)
        return
    changed = sent[:-6] + ("AAAAAA" if not sent.endswith("AAAAAA") else "BBBBBB")
    found: list[Problem] = []
    answers: list[Exchange] = []
    for value, cookies, words in (
        (None, front.after, "no state"),
        (changed, front.after, "a changed state"),
        (sent, {}, "another browser's state"),
    ):
        answers.append(_callback(server, front, value, cookies, f"A callback with {words}"))
        found += _refuses(front, answers[-1], words)
    control = _callback(server, front, sent, front.after, "A callback with the right state")
    spent = {name for name, value, _ in cookies_of(control) if not value}
    rest = {name: value for name, value in {**front.after, **new_cookies(control)}.items() if name not in spent}
    replay = _callback(server, front, sent, rest, "The same state again")
    found += _refuses(front, replay, "a used state")
    if any(value == STATE for _, value in pairs(location(front.approved or front.page) or "")):
        found.append(Problem("the client's own state is sent upstream", front.approved or front.page))
    yield from found
    if not found:
        _require_difference(control, answers)


def _require_difference(control: Exchange, refusals: Sequence[Exchange]) -> None:
    """The right state has to be answered in another way than wrong ones, or refusing those proves nothing.

    Raises:
        Blocked: It is not.
    """
    if all(_same(control, refusal) for refusal in refusals):
        raise Blocked(f"A callback with the right state is answered {shown(control)} too, like those with a wrong one.")


def _same(one: Exchange, other: Exchange) -> bool:
    return (status(one), location(one), response(one).body) == (status(other), location(other), response(other).body)


@checks.add(
    "as.proxy.state-after-consent",
    "AS-PROXY-STATE-AFTER-CONSENT",
    expected="a callback with the cookies from before the approval is refused",
    why="If the cookie is there as soon as the page is, an attacker links past the page, straight to the upstream URL.",
    fix="Set the cookie that the callback checks in the answer to the approval, not before.",
    needs=_NEEDS,
)
def state_after_consent(server: AuthorizationServer) -> Problems:
    """Nothing lets a callback in before the person has agreed."""
    proxied(server)
    front = server.once("third front", lambda: visit(server, server.client, "A client once more"))
    if not front.consented or front.upstream is None:
        raise Blocked("There is no consent page; as.proxy.consent says more.")
    sent = front.upstream.get("state")
    exchange = _callback(server, front, sent, front.before, "A callback that skips the approval")
    found = list(_refuses(front, exchange, "the cookies from before the approval"))
    yield from found
    if not found:
        control = _callback(server, front, sent, front.after, "A callback after the approval")
        _require_difference(control, [exchange])
