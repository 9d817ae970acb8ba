"""Which layer keeps people out, why, and what to change: chosen checks of the suite, told layer by layer.

A layer is looked at only if what it stands on is sound; else it is said to be unknown. The checks find, the table in
`conformance.doctor_illnesses` translates; what the suite does not ask is in `doctor_network`, `doctor_login` and
`doctor_token`. Design §5.
"""

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from conformance import doctor_illnesses, doctor_login, doctor_network, doctor_token, preflight
from conformance.doctor_examination import Examination, Look
from conformance.doctor_findings import Diagnosis, Finding, Unknown, Worth
from conformance.doctor_illnesses import Layer
from conformance.session import Session
from conformance.target import Target
from conformance.views.forms import parameters
from conformance.views.grants import Grant, tokens
from conformance.views.resource_server import ResourceServer


def examine(target: Target, *, session: Session | None = None) -> Diagnosis:
    """Look at all layers.

    Args:
        target: The system, and what may be done with it.
        session: Another way of sending, for tests.
    """
    session = session or Session(target)
    began = time.monotonic()
    try:
        found = Examination(session)
        for layer, look in _LAYERS.items():
            found.look(layer, look)
        _clocks(found)
    finally:
        session.close()
    order = list(_LAYERS)
    findings = sorted(found.findings, key=lambda item: order.index(item.layer))
    layers = tuple(found.seen(layer) for layer in order)
    return Diagnosis(target.url, layers, tuple(findings), len(session.exchanges), time.monotonic() - began)


def _network(exam: Examination) -> Iterator[Finding]:
    for line in preflight.inspect(exam.session):
        exam.words |= {"network": line.text} if line.name == "reachable" else {}
        if line.name == "reachable" and line.state == "stop":
            fault = doctor_network.unanswered(exam.target.url, line.text)
            why = "No client gets as far as a question."
            check = "rs.transport.https" if fault.layer == "TLS" else "rs.challenge.missing-token"
            yield Finding(fault.layer, check, fault.name, fault.saw, why, fault.change, "all")


def _clocks(exam: Examination) -> None:
    """Compare all clocks that were seen: who is alone in it is wrong, and if all are, this machine is."""
    skews = doctor_network.skews(exam.session.exchanges)
    own = urlsplit(exam.target.url).netloc
    off = {host: skew for host, skew in skews.items() if abs(skew) > doctor_network.MOST_SKEW}
    if len(off) > 1 and len(off) == len(skews) and max(off.values()) - min(off.values()) < doctor_network.MOST_SKEW:
        exam.words["network"] += (
            f" This machine's clock is off by {abs(max(off.values())):.0f} s: all hosts agree on it."
        )
        return
    for host, skew in off.items():
        exam.add(
            Finding(
                "server" if host == own else "authorization server",
                "rs.token.expiry",
                "The clock is wrong",
                f"{host} is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}, to go by the Date of its answers.",
                "Tokens seem expired or from the future: a sign-in succeeds, and then every request is refused.",
                "Set the clock of that machine by NTP (chrony). A container takes it from its host; a CDN in front may"
                " send an old Date from its cache.",
                "nothing",
            )
        )


def _metadata(exam: Examination) -> Iterator[Finding]:
    yield from exam.judged("resource metadata")
    exam.words["resource metadata"] = exam.session.view(ResourceServer).metadata[0].request.url
    if not any(item.layer == "resource metadata" for item in exam.findings):
        yield from doctor_login.foreign_scopes(exam.server)


def _authorization_server(exam: Examination) -> Iterator[Finding]:
    yield from exam.judged("authorization server")
    exam.words["authorization server"] = exam.server.issuer


def _registration(exam: Examination) -> Iterator[Finding]:
    document = exam.server.metadata[1]
    offers = "registration_endpoint" in document
    if not offers and document.get("client_id_metadata_document_supported") is not True:
        raise Worth("neither registration nor metadata documents: every client has to be registered by hand")
    if offers and not exam.target.may_register:
        raise Worth("offered, but not tried: --allow-registration")
    yield from exam.judged("registration")


def _sign_in(exam: Examination) -> Iterator[Finding]:
    client = exam.client()
    way = doctor_login.walk(exam.server, client, scope=doctor_login.wanted_scopes(exam.server))
    yield from doctor_login.refused(way, client)
    exam.words["sign-in"] = f"leads to the sign-in page of {urlsplit(way.urls[-1]).netloc}"


def _cognito(exam: Examination) -> Iterator[Finding]:
    if any(item.layer == "Cognito" for item in exam.findings):
        return  # seen on the way to the sign-in page
    client, server = exam.client(), exam.server
    if exam.target.sign_in is None:
        raise Unknown("seen as far as the sign-in page; to go on: --sign-in NAME, --sign-in-script FILE or --headed")
    scope = doctor_login.wanted_scopes(server)
    journey = server.travel(client, "A whole login", scope=scope)
    way = doctor_login.of_journey(server.authorization_url(client, scope=scope), journey)
    code = parameters(journey.returned or "").get("code")
    if journey.stranger:
        raise Unknown(journey.end)
    if code is None:
        yield from doctor_login.refused(way, client)
        if way.error is None and way.at_sign_in:
            raise Unknown("the sign-in page does not take these credentials, so nothing more can be seen")
        return
    exchange, findings = doctor_token.redeemed(server, Grant(client, journey, code))
    yield from findings
    exam.token = tokens(exchange).get("access_token")


def _token(exam: Examination) -> Iterator[Finding]:
    given = exam.token or exam.target.token
    if given is None:
        raise Unknown("no token: let somebody sign in, or give --token")
    found, words = doctor_token.presented(exam.server, given)
    yield from found
    if words:
        raise Worth(words)


def _browser(exam: Examination) -> Iterator[Finding]:
    yield from exam.judged("browser")
    if all(item is None or item.verdict == "not-applicable" for item in map(exam.judge, _CORS)):
        raise Worth("no sign of CORS: no web page can use this server; if one is to, ask with --origin")


_CORS = doctor_illnesses.checks_of("browser")


_LAYERS: dict[Layer, Look] = {
    "network": _network,
    "TLS": lambda exam: exam.judged("TLS"),
    "server": lambda exam: exam.judged("server"),
    "resource metadata": _metadata,
    "authorization server": _authorization_server,
    "registration": _registration,
    "sign-in": _sign_in,
    "Cognito": _cognito,
    "token": _token,
    "browser": _browser,
}
