"""The bridge's own hops, kept for a short while for the flow panel of a client. Only on a learner's own machine.

A hop is filed under the SHA-256 of the client's `state`, which only that client and its user's browser know, and is
redacted before it is kept.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from mcp_demo.exchange.model import Exchange
from mcp_demo.exchange.redact import redact

_LOGINS = 200
_HOPS = 40
_SECONDS = 900.0


def key_of(state: str) -> str:
    """The key of a login's hops: the SHA-256 of the client's `state`, in hex."""
    return hashlib.sha256(state.encode()).hexdigest()


class Trace:
    """The last hops of the last logins, oldest login first."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._logins: OrderedDict[str, tuple[float, list[Exchange]]] = OrderedDict()

    def add(self, key: str, exchange: Exchange) -> None:
        """Keep a hop, redacted."""
        self._expire()
        _, hops = self._logins.setdefault(key, (self._clock(), []))
        hops.append(redact(exchange))
        del hops[:-_HOPS]
        while len(self._logins) > _LOGINS:
            self._logins.popitem(last=False)

    def get(self, key: str) -> tuple[Exchange, ...]:
        """The hops of a login, in order; none if it is unknown or too old."""
        self._expire()
        return tuple(self._logins.get(key, (0.0, ()))[1])

    def _expire(self) -> None:
        oldest_allowed = self._clock() - _SECONDS
        while self._logins and next(iter(self._logins.values()))[0] < oldest_allowed:
            self._logins.popitem(last=False)
