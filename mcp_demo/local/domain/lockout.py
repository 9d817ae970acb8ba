"""Limits on guessing (Cognito docs › Authentication with user pools › Lockout behavior for failed sign-in attempts).

After five failures a name is locked for a second, and twice as long after each further one, up to about 15 minutes.
Unknown names are locked like known ones. What is tried while locked does not prolong the lock.
"""

import threading
from collections.abc import Callable

from mcp_demo.local.domain.store import Store

_FREE_ATTEMPTS = 5
_LONGEST = 15 * 60
TOO_MANY = "Too many attempts. Wait a moment, then try again."


class Lockout:
    """Counts attempts per kind and name, before they are made: many at once do not slip through."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()

    def may_try(self, kind: str, name: str) -> bool:
        """Whether an attempt is allowed now. It counts as failed until `succeeded` says otherwise."""
        now, key = self._clock(), f"{kind}:{name.lower()}"
        with self._lock:
            past = self._store.get("attempts", key) or {"count": 0, "until": 0.0}
            if now < past["until"]:
                return False
            count = past["count"] + 1
            wait = min(2 ** min(count - _FREE_ATTEMPTS, 10), _LONGEST) if count >= _FREE_ATTEMPTS else 0
            until = now + wait if wait else 0.0  # not `now`: of two at once, the later in line may have looked earlier
            self._store.put("attempts", key, {"count": count, "until": until}, expires=now + wait + _LONGEST)
        return True

    def succeeded(self, kind: str, name: str) -> None:
        """Forget the failures of a name."""
        self._store.take("attempts", f"{kind}:{name.lower()}")
