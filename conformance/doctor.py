"""Which layer keeps people out, why, and what to change: chosen checks of the suite, told layer by layer.

A layer is looked at only if what it stands on is sound; else it is said to be unknown. The checks find, the table in
`conformance.doctor_illnesses` translates; what the suite does not ask is in `doctor_network`, `doctor_login` and
`doctor_token`. Design §5.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import urlsplit

from conformance import catalogue, doctor_illnesses, doctor_login, doctor_network, doctor_token, preflight
from conformance.catalogue import Selection
from conformance.check import Blocked, NotApplicable
from conformance.doctor_findings import Diagnosis, Finding, Seen, State, Unknown, Worth
from conformance.doctor_illnesses import Layer
from conformance.result import Result
from conformance.run import judge_one
from conformance.session import Session
from conformance.target import Capability, Target
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.forms import parameters
from conformance.views.grants import Client, Grant, tokens
from conformance.wire import Unanswered

Look = Callable[["Examination"], Iterable[Finding]]

_REACHED: tuple[Layer, ...] = ("network", "TLS", "server")
_FOUND: tuple[Layer, ...] = (*_REACHED, "resource metadata", "authorization server")
_NEEDS: dict[Layer, tuple[Layer, ...]] = {
    "TLS": ("network",),
    "server": ("network", "TLS"),
    "resource metadata": _REACHED,
    "authorization server": (*_REACHED, "resource metadata"),
    "registration": _FOUND,
    "sign-in": _FOUND,
    "Cognito": _FOUND,
    "token": _FOUND,
    "browser": _REACHED,
}
"""What has to be there at all."""
_BEFORE_LOGIN: dict[Layer, tuple[Layer, ...]] = {
    "sign-in": (*_FOUND, "registration"),
    "Cognito": (*_FOUND, "registration", "sign-in"),
    "token": (*_FOUND, "registration", "sign-in", "Cognito"),
}
"""What has to be right, since a login shows its trouble once more."""
_HOW = "give --client ID --redirect-uri URI, or --allow-registration"


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
    finally:
        session.close()
    order = list(_LAYERS)
    findings = sorted(found.findings, key=lambda item: order.index(item.layer))
    layers = tuple(found.seen(layer) for layer in order)
    return Diagnosis(target.url, layers, tuple(findings), len(session.exchanges), time.monotonic() - began)


class Examination:
    """What was seen so far."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.target = session.target
        self.server = session.view(AuthorizationServer)
        self.findings: list[Finding] = []
        self.token: str | None = None
        self._checks = {
            check.id: check for check in Selection(session.target.revision).of(catalogue.load()) if check.judge
        }
        self._states: dict[Layer, tuple[State, str]] = {}

    def look(self, layer: Layer, look: Look) -> None:
        """Look at a layer, if what it stands on is sound."""
        ill = self._spoilt(layer)
        if ill is not None:
            self._states[layer] = ("unknown", f"cannot be told before the {ill} is mended")
            return
        try:
            for finding in look(self):
                self._add(finding)
            self._states[layer] = ("ok", "")
        except Worth as words:
            self._states[layer] = ("note", str(words))
        except (Unknown, Blocked, NotApplicable) as reason:
            self._states[layer] = ("unknown", str(reason))
        except Unanswered as reason:
            self._states[layer] = ("unknown", f"no answer: {reason}")

    def seen(self, layer: Layer) -> Seen:
        """The state of a layer."""
        names = [item.name for item in self.findings if item.layer == layer]
        return Seen(layer, "wrong", "; ".join(names)) if names else Seen(layer, *self._states[layer])

    def judge(self, check: str) -> Result | None:
        """The result of a check, unless the revision has no such rule or its trouble has a cause that is known."""
        covered = any(check in item.covers for item in self.findings)
        return None if covered or check not in self._checks else judge_one(self._checks[check], self.session)

    def judged(self, layer: Layer) -> Iterator[Finding]:
        """What the checks of a layer find."""
        results: list[Result] = []
        for name in doctor_illnesses.checks_of(layer):
            result = self.judge(name)
            results += [result] if result is not None else []
            row = doctor_illnesses.of(name, result.received) if result and result.is_problem else None
            if row is not None and result is not None:
                why = result.check.why
                yield Finding(row.layer, name, row.name, result.received, why, row.change, row.spoils, row.covers)
        _require_judged(results)

    def client(self) -> Client:
        """Who signs in: the client that was named, or one that is registered for it.

        Raises:
            Unknown: There is none.
        """
        if self.target.client is not None:
            return self.server.trusted_client
        if Capability.CLIENT not in self.target.capabilities:
            raise Unknown(f"not tried: {_HOW}")
        return self.server.client

    def _add(self, finding: Finding) -> None:
        told = any((item.check, item.layer) == (finding.check, finding.layer) for item in self.findings)
        if not told and not any(finding.check in item.covers for item in self.findings):
            self.findings.append(finding)

    def _spoilt(self, layer: Layer) -> Layer | None:
        """The first layer whose trouble, or want of an answer, keeps us from telling anything of this one."""
        for below in _NEEDS.get(layer, ()):
            if any(item.layer == below and item.spoils == "all" for item in self.findings):
                return below
        for below in _BEFORE_LOGIN.get(layer, ()):
            if any(item.layer == below and item.spoils != "nothing" for item in self.findings):
                return below
        return None


def _require_judged(results: list[Result]) -> None:
    """Make sure that a layer is not called sound because nothing could be seen of it.

    Raises:
        Unknown: What was seen does not suffice.
        RuntimeError: A check of ours failed.
    """
    broken = next((item for item in results if item.verdict == "error"), None)
    if broken is not None:
        raise RuntimeError(f"{broken.check.id}: {broken.received}")
    blocked = next((item for item in results if item.verdict == "blocked"), None)
    if blocked is not None:
        raise Unknown(blocked.received)


def _network(exam: Examination) -> Iterator[Finding]:
    found = preflight.inspect(exam.session)
    for line in found:
        if line.name == "reachable" and line.state == "stop":
            fault = doctor_network.unanswered(exam.target.url, line.text)
            why = "No client gets as far as a question."
            check = "rs.transport.https" if fault.layer == "TLS" else "rs.challenge.missing-token"
            yield Finding(fault.layer, check, fault.name, fault.saw, why, fault.change, "all")


def _server(exam: Examination) -> Iterator[Finding]:
    yield from exam.judged("server")


def _clocks(exam: Examination) -> Iterator[Finding]:
    """Clocks are compared once authorization server and server have answered: who is alone in it is wrong."""
    skews = doctor_network.skews(exam.session.exchanges)
    own = urlsplit(exam.target.url).netloc
    off = {host: skew for host, skew in skews.items() if abs(skew) > doctor_network.MOST_SKEW}
    if len(off) > 1 and len(off) == len(skews) and max(off.values()) - min(off.values()) < doctor_network.MOST_SKEW:
        raise Worth(f"this machine's clock is off by {abs(max(off.values())):.0f} s: all hosts agree on another time")
    for host, skew in off.items():
        yield Finding(
            "server" if host == own else "authorization server",
            "rs.token.expiry",
            "The clock is wrong",
            f"{host} is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}, to go by the Date of its answers.",
            "Tokens seem expired or from the future: a sign-in succeeds, and then every request is refused.",
            "Set the clock of that machine by NTP (chrony). A container takes it from its host; a CDN in"
            " front may send an old Date from its cache.",
            "nothing",
        )


def _metadata(exam: Examination) -> Iterator[Finding]:
    yield from exam.judged("resource metadata")
    if not any(item.layer == "resource metadata" for item in exam.findings):
        yield from doctor_login.foreign_scopes(exam.server)


def _authorization_server(exam: Examination) -> Iterator[Finding]:
    yield from exam.judged("authorization server")
    yield from _clocks(exam)


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
    yield from doctor_token.presented(exam.server, given)


def _browser(exam: Examination) -> Iterator[Finding]:
    yield from exam.judged("browser")
    if all(item is None or item.verdict == "not-applicable" for item in map(exam.judge, _CORS)):
        raise Worth("no sign of CORS: no web page can use this server; if one is to, ask with --origin")


_CORS = doctor_illnesses.checks_of("browser")


_LAYERS: dict[Layer, Look] = {
    "network": _network,
    "TLS": lambda exam: exam.judged("TLS"),
    "server": _server,
    "resource metadata": _metadata,
    "authorization server": _authorization_server,
    "registration": _registration,
    "sign-in": _sign_in,
    "Cognito": _cognito,
    "token": _token,
    "browser": _browser,
}
