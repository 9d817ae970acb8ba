"""What all planted bugs have in common, and when one counts as found."""

from collections.abc import Mapping
from dataclasses import dataclass

from conformance.result import Report, Result


@dataclass(frozen=True, slots=True)
class Planted:
    """A planted bug.

    Args:
        name: What it is called.
        bug: What is wrong, in a sentence.
        check: The check that claims to find it.
        also: Other checks that rightly turn red with it.
    """

    name: str
    bug: str
    check: str
    also: frozenset[str]


def red(report: Report) -> Mapping[str, str]:
    """The checks that turned red, and what they say."""
    return {result.check.id: f"{result.verdict}: {result.received}" for result in report.results if is_red(result)}


def is_red(result: Result) -> bool:
    """Whether something is wrong (for what is only a MAY that is info), or cannot be judged any more.

    What is not applicable, or blocked for want of a capability, is so without any bug too.
    """
    return result.verdict in ("fail", "warn", "info", "error") or result.unproven


def is_killed(planted: Planted, found: Mapping[str, str]) -> bool:
    """Whether the check that claims the bug names it, and exactly the declared other checks turned red."""
    named = found.get(planted.check, "").startswith(("fail", "warn", "info"))
    return named and set(found) - {planted.check} == set(planted.also)
