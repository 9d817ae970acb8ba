"""Breaking the system on purpose, and judging what a learner does about it: `break_it`, `check`, `hint`."""

from collections.abc import Callable
from difflib import get_close_matches
from html import escape
from typing import Any

from conformance.report import links
from conformance.result import Result
from mcp_demo.exchange import card
from mcp_demo.exchange.model import Exchange
from mcp_demo.exchange.redact import redact_text
from mcp_demo.lab import exercise, trial
from mcp_demo.lab.box import BAD, FOLD, GOOD, MONO, QUIET_TEXT, STRONG, anchor, box, element, fold, link, table
from mcp_demo.lab.display import Shown
from mcp_demo.lab.exercise import Exercise

_RUNGS: dict[str, int] = {}
_LADDER = ("a nudge", "where it is written", "a solution")


def break_it(name: str) -> Shown:
    """Plant a bug of the conformance suite in the reference server, and show the check that finds it.

    The broken server lives for the length of this call, within this process; your running system is not touched.

    Args:
        name: Of the planted bug, e.g. `"hides_the_metadata"` (all of them: docs/mutation-score.md).
    """
    try:
        planted = trial.bug(name)
    except LookupError:
        return _unknown(name, "planted bug", [])
    found = trial.judge(planted).claimed
    title = f"✗ Broken on purpose: {planted.bug}"
    html = box(
        title,
        element("p", f"{STRONG};{BAD}", escape(title)),
        element("p", "margin:0", f"The check <code>{escape(planted.check)}</code> finds it. {_sections(found)}"),
        _compared(found, "the broken server"),
        _evidence(found, opened=True),
    )
    text = (
        title,
        f"The check {planted.check} finds it.",
        _compared_text(found, "the broken server") + _evidence_text(found),
    )
    return Shown(html, "\n".join(text))


def check(name: str, repair: Callable[..., Any]) -> Shown:
    """Put your repair in front of the broken server, and let the check that found the bug judge again.

    Args:
        name: Of the exercise.
        repair: Your function.
    """
    found = exercise.load().get(name)
    if found is None:
        return _unknown(name, "exercise", list(exercise.load()))
    if not callable(repair):
        return _not_yet(found, None, f"{repair!r} is no function.")
    planted = trial.bug(found.mutant)
    result = trial.judge(planted, found.kind, repair)
    if result.mishaps:
        return _not_yet(found, None, f"Your function ran, but {result.mishaps[0]}.")
    if result.worse:
        worst = result.worse[0]
        return _not_yet(found, worst, f"Something else is broken now: the check {worst.check.id} has turned red.")
    if not result.solved:
        unused = "" if result.used else " Your function was never asked."
        return _not_yet(found, result.claimed, f"The bug is still there: {planted.bug}{unused}")
    _RUNGS.pop(name, None)
    return _solved(found, result)


def hint(name: str) -> Shown:
    """The next hint of an exercise: a nudge, then where it is written, then a solution.

    Args:
        name: Of the exercise.
    """
    found = exercise.load().get(name)
    if found is None:
        return _unknown(name, "exercise", list(exercise.load()))
    rung = min(_RUNGS.get(name, 0), 2)
    _RUNGS[name] = rung + 1
    title = f"Hint {rung + 1} of 3 for {name}: {_LADDER[rung]}"
    words, content = (
        (found.nudge, element("p", "margin:0", escape(found.nudge))),
        (found.section, element("p", "margin:0", f"Read {link(found.section)}, then look at your function again.")),
        (found.answer, element("pre", f"{FOLD};{MONO};color:inherit", escape(found.answer))),
    )[rung]
    more = "" if rung == 2 else "Run this cell again for the next one."
    html = box(title, element("p", STRONG, escape(title)), content, element("p", f"{QUIET_TEXT};margin:6px 0 0", more))
    return Shown(html, "\n".join(filter(None, (title, words, more))))


def _solved(found: Exercise, outcome: trial.Trial) -> Shown:
    title, result = f"✓ Solved: {found.name}", outcome.claimed
    rest = ", ".join(left.check.id for left in outcome.left)
    others = f"Of what the bug broke, this is left: {rest}." if rest else "So is every other check."
    said = f"The check {result.check.id} is green. {others}"
    html = box(
        title,
        element("p", f"{STRONG};{GOOD}", escape(title)),
        element("p", "margin:0", escape(said)),
        _compared(result),
    )
    return Shown(html, f"{title}\n{said}\n{_compared_text(result)}")


def _not_yet(found: Exercise, result: Result | None, said: str) -> Shown:
    title, more = (
        f"✗ Not yet: {found.name}",
        f'Change the lines under TODO and run the cell again; lab.hint("{found.name}") helps.',
    )
    html = box(
        title,
        element("p", f"{STRONG};{BAD}", escape(title)),
        element("p", "margin:0", escape(said)),
        _compared(result) if result else "",
        _evidence(result) if result else "",
        element("p", f"{QUIET_TEXT};margin:6px 0 0", escape(more)),
    )
    middle = f"{_compared_text(result)}\n" if result else ""
    return Shown(html, f"{title}\n{said}\n{middle}{more}")


def _unknown(name: str, what: str, known: list[str]) -> Shown:
    close = get_close_matches(name, known, 3, 0.4)
    said = f"There is no {what} called {name!r}." + (f" Did you mean {' or '.join(close)}?" if close else "")
    return Shown(box("Not found", element("p", "margin:0", escape(said))), said)


def _compared(result: Result, whose: str = "your server") -> str:
    return table(
        [
            ("Expected", escape(result.check.expected)),
            (f"Received from {whose}", escape(redact_text(result.received))),
            ("Why it matters", escape(result.check.why)),
        ]
    )


def _compared_text(result: Result, whose: str = "your server") -> str:
    return (
        f"  Expected  {result.check.expected}\n"
        f"  Received  {redact_text(result.received)}  (from {whose})\n"
        f"  Why       {result.check.why}"
    )


def _telling(result: Result) -> Exchange | None:
    return next(iter(result.exchanges), None)


def _evidence(result: Result, *, opened: bool = False) -> str:
    exchange = _telling(result)
    return fold("The exchange that shows it", card.to_html(exchange), opened=opened) if exchange else ""


def _evidence_text(result: Result) -> str:
    exchange = _telling(result)
    return f"\n\n{card.to_text(exchange)}" if exchange else ""


def _sections(result: Result) -> str:
    places = (place for requirement in result.requirements for place in links.parts(requirement.source))
    return " · ".join(anchor(words, target) for words, target in dict.fromkeys(places))
