"""Sessions and handles are no credentials, and tokens stay secret (MCP Security Best Practices)."""

import re

from conformance import mcp_message
from conformance.check import NotApplicable, Problem, Problems
from conformance.checks.rs import checks, probes
from conformance.target import Capability
from conformance.views.answers import response, shown, status, succeeded
from conformance.views.resource_server import ResourceServer, like_anonymous
from mcp_demo.exchange.model import Exchange, Request

_SPEC = "Security Best Practices › Session Hijacking"
_VISIBLE = re.compile(r"[\x21-\x7E]+")
_SHORTEST = 16


def _session_id(server: ResourceServer, token: str) -> str:
    server.require_control()
    found = dict(server.session_headers(token)).get("mcp-session-id")
    if found is None:
        raise NotApplicable("The server issues no Mcp-Session-Id.")
    return found


@checks.add(
    "rs.session.no-credential",
    "RS-SESSION-NOT-AUTH",
    expected="401 to everything that carries a session id but no token",
    why="A session id travels in plain headers and logs; whoever finds it would be signed in.",
    fix="Verify the token on every request; use the session id to find state, never to trust anybody.",
    needs=(Capability.TOKEN,),
)
def no_credential(server: ResourceServer) -> Problems:
    """A session id does not stand in for a token."""
    identifier = _session_id(server, server.token)
    extra = (("mcp-session-id", identifier),)
    url, revision = server.target.url, server.target.revision
    requests = (
        mcp_message.request(url, revision, "tools/list", extra=extra),
        Request("GET", url, (("accept", "text/event-stream"), *extra)),
        Request("DELETE", url, extra),
    )
    for request in requests:
        exchange = server.ask(
            request, f"{request.method} with a session id, without a token", "Only a token counts.", _SPEC
        )
        if status(exchange) not in (401, 405):
            yield Problem(f"{shown(exchange)} to {request.method} with a session id and no token", exchange)


@checks.add(
    "rs.session.bound-to-user",
    "RS-SESSION-BIND-USER",
    expected="refusal of user B's token in user A's session; ids of visible ASCII that nobody can guess",
    why="Otherwise everybody who is signed in can read and write in the sessions of all others.",
    fix="Keep the subject of the token with the session, and compare it on every request.",
    needs=(Capability.TEST_ISSUER,),
)
def bound_to_user(server: ResourceServer) -> Problems:
    """A session belongs to who opened it."""
    mine = _session_id(server, server.token)
    other = server.issuer.token(sub="somebody-else", jti="other")
    extra = (("authorization", f"Bearer {other}"), ("mcp-session-id", mine))
    request = mcp_message.request(server.target.url, server.target.revision, "tools/list", extra=extra)
    exchange = server.ask(request, "User B's token in user A's session", "The session is not hers.", _SPEC)
    if succeeded(exchange):
        yield Problem(f"{shown(exchange)} to another user's token in this session", exchange)
    if not _VISIBLE.fullmatch(mine) or len(mine) < _SHORTEST:
        yield Problem(f"a session id of {len(mine)} characters can be guessed, or is not visible ASCII", exchange)
    if mine == dict(server.session_headers(other)).get("mcp-session-id"):
        yield Problem("two users are given the same session id", exchange)


@checks.add(
    "rs.handle.no-credential",
    "RS-HANDLE-NOT-AUTH",
    expected="401 to a session id without a token, and no difference with one",
    why="State handles are passed around in plain sight; to hold one says nothing about who holds it.",
    fix="Take the principal from the verified token, and look state up by handle and principal.",
)
def handle_no_credential(server: ResourceServer) -> Problems:
    """A state handle does not stand in for a token."""
    server.require_control()
    extra = (("mcp-session-id", "conformance-0123456789abcdef"),)
    exchange = server.ask(
        server.first(extra=extra), "A session id of old, without a token", "Only a token counts.", _SPEC
    )
    if status(exchange) != 401 and not like_anonymous(server, exchange):
        yield Problem(f"{shown(exchange)} to a session id without a token", exchange)
    if Capability.TOKEN not in server.target.capabilities:
        return
    both = (("authorization", f"Bearer {server.token}"), *extra)
    exchange = server.ask(server.first(extra=both), "A session id of old, with a token", "It is to be ignored.", _SPEC)
    if not succeeded(exchange):
        yield Problem(
            f"{shown(exchange)}: a session id that has no meaning any more is not ignored", exchange, soft=True
        )


@checks.add(
    "rs.token.not-repeated",
    "RS-TOKEN-SECRECY",
    expected="no answer that holds the token of its request",
    why="What is in an answer is in logs, traces and screenshots soon after.",
    fix="Never put the token, or an exception that quotes it, into a body or a header.",
)
def not_repeated(server: ResourceServer) -> Problems:
    """No answer repeats the token."""
    server.require_protection()
    seen = list(probes.refusals(server))
    if Capability.TOKEN in server.target.capabilities:
        seen.append(server.authorized)
    for exchange in seen:
        if _repeats(exchange):
            yield Problem(f"the answer to '{exchange.name}' holds the token of the request", exchange)


def _repeats(exchange: Exchange) -> bool:
    token = (exchange.request.header("authorization") or "").partition(" ")[2]
    answer = response(exchange)
    held = (answer.body.decode("utf-8", "replace"), *(value for _, value in answer.headers))
    return bool(token) and any(token in text for text in held)


checks.exclude(
    "rs.token.no-passthrough",
    "RS-NO-PASSTHROUGH",
    title="The client's token is not passed on to other services",
    why="A token passed on lets the next service act as the user everywhere.",
    reason="What a server sends to others cannot be seen by its clients. Look at its outgoing requests, or test it from"
    " inside with a recording upstream.",
)
checks.exclude(
    "rs.stdio.no-oauth",
    "RS-STDIO-NO-OAUTH",
    title="A server on standard input and output runs no authorization flow",
    why="Such a server takes its credentials from its environment.",
    reason="The suite judges servers by their URL; one that is reached over stdio has none.",
)
