"""What a check is: data for people, and a small function over observed exchanges.

A check's function yields the problems it finds. Finding none is a pass only if the function has looked at an exchange:
the runner (`conformance.run`) sees to that, so that a check whose observation is missing can never pass.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from conformance.requirements import Requirement, Role, load
from conformance.session import View
from conformance.target import HOW_TO_GIVE, Capability
from mcp_demo.exchange.model import Exchange

Verdict = Literal["pass", "fail", "warn", "info", "not-applicable", "blocked", "error", "excluded"]
VERDICTS: tuple[Verdict, ...] = ("fail", "error", "blocked", "warn", "info", "pass", "not-applicable", "excluded")
"""All verdicts, the gravest first."""

V = TypeVar("V", bound=View)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as the requirement wants it.

    Args:
        received: What was observed instead, in plain words.
        exchange: The exchange that shows it best.
        soft: Only a warning, although the requirement is a MUST.
    """

    received: str
    exchange: Exchange | None = None
    soft: bool = False


Problems = Iterator[Problem]


class NotApplicable(Exception):
    """The requirement's precondition (`when`) does not hold here."""


class Blocked(Exception):
    """The check cannot be carried out.

    Args:
        reason: Why, in plain words.
        missing: The capability that would change that.
    """

    def __init__(self, reason: str, missing: Capability | None = None) -> None:
        super().__init__(reason)
        self.missing = missing

    @classmethod
    def without(cls, capability: Capability) -> "Blocked":
        """A refusal for want of a capability."""
        return cls(f"Not tried: to have it tried, {HOW_TO_GIVE[capability]}.", capability)


@dataclass(frozen=True, slots=True)
class Check(Generic[V]):
    """One thing that is judged.

    Args:
        id: `role.topic.behaviour`. The same for pass and fail, never used again for something else.
        requirements: The ids of the requirements it judges.
        title: What is right, in plain words.
        expected: What the target has to do.
        why: What goes wrong otherwise.
        fix: How to put it right.
        cognito: What is particular about it with Amazon Cognito.
        needs: Capabilities without which nothing can be said.
        view: What it looks through.
        judge: The function; None for what no suite can see from outside.
        excluded: Why there is no function.
    """

    id: str
    requirements: tuple[Requirement, ...]
    title: str
    expected: str
    why: str
    fix: str
    view: type[V]
    judge: Callable[[V], Problems] | None = field(repr=False)
    cognito: str = ""
    needs: frozenset[Capability] = frozenset()
    excluded: str = ""

    @property
    def role(self) -> Role:
        """Whom it judges."""
        return self.requirements[0].role


class Checks(Generic[V]):
    """The checks of one role, as they are written: `checks = Checks(ResourceServer)`, then `@checks.add(…)`.

    Args:
        view: What their functions look through.
    """

    def __init__(self, view: type[V]) -> None:
        self._view = view
        self.all: list[Check[V]] = []

    def add(
        self,
        id: str,
        *requirements: str,
        expected: str,
        why: str,
        fix: str,
        cognito: str = "",
        needs: tuple[Capability, ...] = (),
    ) -> Callable[[Callable[[V], Problems]], Callable[[V], Problems]]:
        """Make a function a check of these requirements; its docstring is the title. A wrong id fails at import."""
        judged = tuple(load()[name] for name in requirements)

        def register(judge: Callable[[V], Problems]) -> Callable[[V], Problems]:
            title = (judge.__doc__ or "").strip().rstrip(".")
            self.all.append(Check(id, judged, title, expected, why, fix, self._view, judge, cognito, frozenset(needs)))
            return judge

        return register

    def exclude(self, id: str, *requirements: str, title: str, why: str, reason: str) -> None:
        """Say why nothing can be judged about these requirements."""
        judged = tuple(load()[name] for name in requirements)
        self.all.append(Check(id, judged, title, "", why, "", self._view, None, excluded=reason))
