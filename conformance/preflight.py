"""What is looked at before any check: is there a target that can be judged at all, and what will be done to it."""

from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal
from urllib.parse import urlsplit

from conformance.session import Session
from conformance.target import HOW_TO_GIVE, Capability, Target
from conformance.wire import Unanswered
from mcp_demo.exchange.model import Exchange, Request
from mcp_demo.oauth.resource import is_secure_url, is_uri

_MOST_SKEW = 30.0
_REACH = "Check host, port and path, and that the server runs and is reachable from here."
_TRUST = "Use the name that the certificate is for; an authority of your own is trusted by SSL_CERT_FILE."
_LOGINS = "Signs in through the pages: once for a token, and anew for each check that attacks a login."
_PERSON = " You are asked each time: agree, unless it says to refuse. Who does not come once is not asked again."


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the preflight: `ok`, `note` (worth knowing) or `stop` (no check can be run), and what to change."""

    name: str
    state: Literal["ok", "note", "stop"]
    text: str


def inspect(session: Session, wanted: Iterable[Capability] = ()) -> tuple[Finding, ...]:
    """All findings. Requests: one GET of the endpoint, and a POST if that is not answered.

    Args:
        session: The target.
        wanted: The capabilities that the chosen checks could use.
    """
    target = session.target
    if (
        not is_uri(target.url)
        or urlsplit(target.url).scheme not in ("https", "http")
        or not urlsplit(target.url).netloc
    ):
        return (Finding("address", "stop", f"{target.url} is no http(s) URL. Give the URL of the MCP endpoint."),)
    return (_address(target), *_reach(session), *_notice(target, frozenset(wanted)))


def _address(target: Target) -> Finding:
    if is_secure_url(target.url):
        return Finding("address", "ok", target.url)
    return Finding("address", "note", f"{target.url} is not https: tokens would travel in clear text.")


def _reach(session: Session) -> tuple[Finding, ...]:
    request = Request("GET", session.target.url, (("accept", "*/*"),))
    probe = Exchange(
        "Is anybody there?",
        "A plain GET, to see whether the address answers before anything is judged.",
        "RFC 9110 §9.3.1",
        "suite",
        "MCP server",
        request,
        phase="discovery",
    )
    try:
        exchange = session.send(probe)
    except Unanswered as failure:
        # An MCP server of the handshake revisions may hold a GET open as a stream; a POST tells whether it lives.
        return _reach_by_post(session, failure)
    return (_answered(exchange), *_clock(exchange))


def _reach_by_post(session: Session, failure: Unanswered) -> tuple[Finding, ...]:
    request = Request("POST", session.target.url, (("content-type", "application/json"),), b"{}")
    probe = Exchange(
        "Does it answer a POST?",
        "The GET was not answered, so one POST decides whether anybody is there.",
        "RFC 9110 §9.3.3",
        "suite",
        "MCP server",
        request,
        phase="discovery",
    )
    try:
        exchange = session.send(probe)
    except Unanswered:
        cure = _TRUST if "TLS" in str(failure) else _REACH
        return (Finding("reachable", "stop", f"{session.target.url}: {failure}. {cure}"),)
    return (_answered(exchange), *_clock(exchange))


def _answered(exchange: Exchange) -> Finding:
    status = exchange.response.status if exchange.response else 0
    took = f"{exchange.request.method} is answered {status} after {exchange.seconds * 1000:.0f} ms"
    if 300 <= status < 400:
        return Finding("reachable", "note", f"{took}: a redirect. Give the URL that it leads to.")
    return Finding("reachable", "ok", f"{took}.")


def _clock(exchange: Exchange) -> tuple[Finding, ...]:
    stamp = exchange.response.header("date") if exchange.response else None
    try:
        there = parsedate_to_datetime(stamp).timestamp() if stamp else None
    except ValueError:
        there = None
    if there is None:
        return ()
    skew = there - exchange.started
    if abs(skew) <= _MOST_SKEW:
        return (Finding("clock", "ok", "The target's clock agrees with ours."),)
    return (Finding("clock", "note", f"The target's clock differs by {skew:.0f} s: times in tokens will mislead."),)


def _notice(target: Target, wanted: frozenset[Capability]) -> tuple[Finding, ...]:
    findings = [
        Finding("capability", "note", f"without {capability}: {cure}")
        for capability, cure in HOW_TO_GIVE.items()
        if capability in wanted - target.capabilities
    ]
    if target.may_register and Capability.REGISTRATION in wanted:
        words = (
            "Registers some twenty clients at the authorization server, and deletes them again where it offers that."
        )
        findings.append(Finding("side effect", "note", words))
    if target.sign_in is not None and wanted & {Capability.SIGN_IN, Capability.TOKEN}:
        findings.append(Finding("side effect", "note", _LOGINS + (_PERSON if target.person else "")))
    if target.operation is not None and target.operation.side_effect:
        findings.append(Finding("side effect", "note", target.operation.side_effect))
    return tuple(findings)
