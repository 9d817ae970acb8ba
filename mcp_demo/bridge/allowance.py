"""How often the bridge fetches for strangers: anybody may have it ask anywhere, so it asks nobody often.

Spec: draft-ietf-oauth-client-id-metadata-document-00 §6.5, MCP 2026-07-28 Security Best Practices › SSRF.
"""

from collections import deque
from collections.abc import Callable

_WINDOW = 60.0
_OF_A_HOST = 20
_IN_ALL = 120


class Allowance:
    """Counts fetches of the last minute, of each host and of all, in this process.

    Args:
        clock: Seconds, never backwards for long.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._recent: deque[tuple[float, str]] = deque(maxlen=_IN_ALL)

    def take(self, host: str) -> bool:
        """Whether a host may be asked once more; if so, this counts. Case and a dot at its end make no other host."""
        now, name = self._clock(), host.lower().rstrip(".")
        while self._recent and self._recent[0][0] <= now - _WINDOW:
            self._recent.popleft()
        if len(self._recent) >= _IN_ALL or sum(known == name for _, known in self._recent) >= _OF_A_HOST:
            return False
        self._recent.append((now, name))
        return True
