"""What came of the load: right, excused by a fault, or wrong.

A fault excuses only the jobs that it touches, only an honest answer, and only if the job began while it was at work or
a moment after. Everything else is wrong, and a wrong answer is never excused.
"""

import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from benchmarks.faults import ENVELOPE_KEYS_LOST, Fault, Made
from benchmarks.visitor import LoginLost

KEYS_LOST = "signed in before the keys were lost"
_CUT = "connection cut or refused"
_AHEAD = 60  # seconds that the MCP server allows the issuer's clock to be ahead
_EDGE = 5  # seconds: how far a request, and a clock told in seconds, blur that

Job = Callable[[], Awaitable[str | None]]


class Excused(Exception):
    """Not the answer one wishes for, but an honest one; says which."""


@dataclass
class Spell:
    """A fault at work, from when until when (monotonic)."""

    fault: Fault
    began: float = field(default_factory=time.monotonic)
    ended: float = float("inf")

    def excuses(self, job: str, since: float, words: str) -> bool:
        """Whether it explains that a job that began then met with this."""
        met = since <= self.ended + self.fault.after
        return met and job in self.fault.touches and re.match(self.fault.says, words) is not None


@dataclass
class Verdicts:
    """What came of the load, job by job."""

    right: Counter[str] = field(default_factory=Counter[str])
    excused: Counter[str] = field(default_factory=Counter[str])
    wrong: Counter[str] = field(default_factory=Counter[str])
    during: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    made: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    stopping: bool = False
    keys_lost_at: float = 0.0
    spells: list[Spell] = field(default_factory=list[Spell])

    def begin(self, fault: Fault) -> None:
        """A fault is at work from now."""
        self.spells = [*self.spells[-3:], Spell(fault)]

    def over(self, made: Made) -> None:
        """It was taken back, having really done this."""
        spell = self.spells[-1]
        spell.ended = time.monotonic()
        if spell.fault.name == ENVELOPE_KEYS_LOST:
            self.keys_lost_at = spell.ended
        self.made.setdefault(spell.fault.name, Counter()).update(made)

    @property
    def now(self) -> Fault | None:
        """The fault at work."""
        return self.spells[-1].fault if self.spells and self.spells[-1].ended == float("inf") else None

    async def judge(self, job: Job) -> None:
        """Do a job once, and count what came of it; a job that has nothing to do yet counts as nothing."""
        name, since = getattr(job, "__name__", ""), time.monotonic()
        try:
            done = await job() is not None  # not within `+=`, which reads the count first: others count meanwhile
            self.right[name] += done
        except (Excused, LoginLost, httpx.TransportError) as error:
            if not self.stopping:
                self._excuse(name, since, str(error) if isinstance(error, Excused | LoginLost) else _CUT)
        except Exception as error:
            self.wrong[f"{name}: {error!r}"[:200]] += 1

    def _excuse(self, name: str, since: float, words: str) -> None:
        if KEYS_LOST in words:  # may come up long after, whenever such a session is refreshed
            fault = ENVELOPE_KEYS_LOST
        else:
            found = next((spell for spell in reversed(self.spells) if spell.excuses(name, since, words)), None)
            if found is None:
                last = self.spells[-1].fault.name if self.spells else "none"
                self.wrong[f"{name}: {words}, with no fault at work that explains it (the last: {last})"[:280]] += 1
                return
            fault = found.fault.name
        self.excused[name] += 1
        self.during[fault, f"{name}: {words}"] += 1

    def clock_refusal(self, claims: Mapping[str, Any], since: float, said: str) -> bool:
        """Whether a clock that is off explains that the MCP server refused this good token with these words.

        A token that is too young for a slow clock is from the future; one that ends soon has ended for a fast one.
        """
        for spell in self.spells:
            if spell.fault.clock and since <= spell.ended:
                there = time.time() + spell.fault.clock
                young = said.endswith("in the future.") and claims["iat"] > there + _AHEAD - _EDGE
                ended = said.endswith("has expired.") and claims["exp"] <= there + _EDGE
                if young or ended:
                    return True
        return False
