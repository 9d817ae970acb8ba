"""One run against one target: every request is sent once, politely, recorded, and shared by all checks that need it."""

import time
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

import httpcore
import httpx

from conformance.deadline import DeadlineTransport
from conformance.reach import OutOfReach, Reach
from conformance.target import Target
from conformance.wire import GivenUp, NotSent, Unanswered, transmit
from mcp_demo.exchange.model import Exchange, Request
from mcp_demo.oauth.resource import is_loopback_host

POLITE_INTERVAL = 0.04
"""Seconds between two requests to a target that is not on this machine."""

PATIENCE = 240.0
"""Seconds of waiting for answers in a whole run; who needs more is asked nothing more."""

_GIVE_UP_AFTER = 3
_Key = tuple[Request, int]


class Session:
    """Sends what views ask for.

    Args:
        target: The system to judge.
        timeout: Seconds an exchange may take in all.
        transport: Another way to the target.
        sleep: Waits between requests.
    """

    def __init__(
        self,
        target: Target,
        *,
        timeout: float = 8.0,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.target = target
        self._timeout = timeout
        local = is_loopback_host(urlsplit(target.url).hostname)
        self._interval = 0.0 if local else POLITE_INTERVAL
        self.concurrent = transport is None
        """Whether several threads may send at once."""
        # httpx leads through a person's proxy with its own transports only.
        direct = local or not urllib.request.getproxies()
        reach = Reach(target.url)
        chosen = transport or (DeadlineTransport(reach) if direct else None)
        self._client = httpx.Client(timeout=timeout, transport=chosen, trust_env=not local)
        if chosen is None:  # the proxy connects, so names can only be looked at
            self._client.event_hooks = {"request": [partial(_look, reach)]}
        self._sleep = sleep
        self._answers: dict[_Key, Exchange | Unanswered] = {}
        self._views: dict[type[View], View] = {}
        self._evidence: list[Exchange] = []
        self._at_end: list[Callable[[], object]] = []
        self._unanswered = 0
        self._waited = 0.0
        self._last = 0.0

    def close(self) -> None:
        """Do what was left for the end, such as deleting what was made, and end the connections."""
        while self._at_end:
            with suppress(Unanswered, ValueError):  # a target may have named what is no URL
                self._at_end.pop()()
        self._client.close()

    def at_end(self, act: Callable[[], object]) -> None:
        """Do something when the run is over; the last thing first."""
        self._at_end.append(act)

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Everything that was answered so far, in the order in which it was first sent."""
        return tuple(answer for answer in self._answers.values() if isinstance(answer, Exchange))

    @contextmanager
    def watch(self) -> Generator[list[Exchange]]:
        """Collect the exchanges that are looked at in a `with` block, whether they were sent then or before."""
        before, self._evidence = self._evidence, []
        try:
            yield self._evidence
        finally:
            self._evidence = before

    def send(self, probe: Exchange, *, turn: int = 0) -> Exchange:
        """The exchange with its response. What was sent before is not sent again, except in another turn.

        Raises:
            Unanswered: There is no response: connection refused or cut, or too slow.
        """
        key = (probe.request, turn)
        if key not in self._answers:
            self._answers[key] = self._try(probe)
        answer = self._answers[key]
        if isinstance(answer, Unanswered):
            self.look_at(answer.exchange)
            raise answer
        self.look_at(answer)
        return answer

    def wait(self, seconds: float) -> None:
        """Let time pass, for what only time can show."""
        self._sleep(seconds)

    def look_at(self, *exchanges: Exchange) -> None:
        """Count exchanges as seen by the running check."""
        self._evidence.extend(exchange for exchange in exchanges if exchange not in self._evidence)

    def view(self, kind: "type[V]") -> "V":
        """The one view of this kind."""
        found = self._views.setdefault(kind, kind(self))
        if not isinstance(found, kind):
            raise TypeError(kind)
        return found

    def _try(self, probe: Exchange) -> Exchange | Unanswered:
        if self._unanswered >= _GIVE_UP_AFTER:
            return GivenUp("nothing is sent any more: the target left three requests in a row unanswered", probe)
        if self._waited > PATIENCE:
            return GivenUp(f"nothing is sent any more: the target took {PATIENCE:.0f} s for its answers so far", probe)
        pause = self._last + self._interval - time.monotonic()
        if self._interval and pause > 0:
            self._sleep(pause)
        started = time.time()
        self._last = began = time.monotonic()
        try:
            response = transmit(self._client, probe.request, self._timeout)
            if response.status == 429:  # says nothing of the request, only of its number
                raise Unanswered("429: the target takes no more requests for now", probe)
        except Unanswered as failure:
            self._unanswered += not isinstance(failure, NotSent)
            failure.exchange = replace(probe, started=started, seconds=self._took(began))
            return failure
        self._unanswered = 0
        return replace(probe, response=response, started=started, seconds=self._took(began))

    def _took(self, began: float) -> float:
        seconds = time.monotonic() - began
        self._waited += seconds
        return seconds


class View:
    """What the checks of a role look through: named observations, each made when first asked for.

    Args:
        session: Where requests are sent.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.target = session.target


V = TypeVar("V", bound=View)


def _look(reach: Reach, request: httpx.Request) -> None:
    """Refuse what is out of reach. A name that only the proxy knows is the proxy's to judge.

    Raises:
        ConnectError: It is.
    """
    try:
        reach.addresses(request.url.host, request.url.port or 443)
    except OutOfReach as error:
        raise httpx.ConnectError(str(error)) from error
    except httpcore.ConnectError:
        pass
