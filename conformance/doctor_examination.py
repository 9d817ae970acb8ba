"""What the doctor has seen so far: the state of each layer, and whether the next one can be looked at.

A layer is looked at only if what it stands on is sound; else it is said to be unknown.
"""

from collections.abc import Callable, Iterable, Iterator

from conformance import catalogue, doctor_illnesses, doctor_network
from conformance.catalogue import Selection
from conformance.check import Blocked, NotApplicable
from conformance.doctor_findings import Finding, Seen, State, Unknown, Worth
from conformance.doctor_illnesses import Layer
from conformance.result import Result
from conformance.run import judge_one
from conformance.session import Session
from conformance.target import Capability
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.grants import Client
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


class Examination:
    """What was seen so far."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.target = session.target
        self.server = session.view(AuthorizationServer)
        self.findings: list[Finding] = []
        self.token: str | None = None
        self.words: dict[Layer, str] = {}
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
                self.add(finding)
            self._states[layer] = ("ok", "")
        except Worth as words:
            self._states[layer] = ("note", str(words))
        except (Unknown, Blocked, NotApplicable) as reason:
            self._states[layer] = ("unknown", str(reason))
        except Unanswered as failure:
            self.add(_silent(layer, failure))

    def seen(self, layer: Layer) -> Seen:
        """The state of a layer."""
        names = [item.name for item in self.findings if item.layer == layer]
        return Seen(layer, "wrong", "; ".join(names)) if names else Seen(layer, *self._state(layer))

    def _state(self, layer: Layer) -> tuple[State, str]:
        state, text = self._states[layer]
        return state, text or self.words.get(layer, "")

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
            silent = [item for item in result.exchanges if item.response is None] if result else []
            if result is not None and result.verdict == "blocked" and silent:
                raise Unanswered(result.received, silent[0])
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

    def add(self, finding: Finding) -> None:
        """Take a finding down, unless its cause is known already."""
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


def _silent(layer: Layer, failure: Unanswered) -> Finding:
    """Somebody on the way does not answer: the layer is ill, and why is a matter of the network."""
    url = failure.exchange.request.url
    fault = doctor_network.unanswered(url, str(failure))
    check = next(iter(doctor_illnesses.checks_of(layer)), "as.metadata.truthful")
    where = f"{url.partition('?')[0]}. {fault.saw}"
    return Finding(layer, check, fault.name, where, "Clients get no further than this.", fault.change, "all")


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
