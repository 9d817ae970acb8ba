"""Judge a target: preflight, then every selected check, each with the evidence it has looked at."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal

from conformance import preflight
from conformance.check import Blocked, Check, NotApplicable, Problem, Verdict
from conformance.requirements import Level, strictest
from conformance.result import Report, Result
from conformance.session import Session
from conformance.target import Capability, Target
from conformance.wire import Unanswered
from mcp_demo.exchange.model import Exchange

Progress = Callable[[int, int, Result], None]
_EVIDENCE = 12
_VERDICTS: dict[Level, Verdict] = {
    "MUST": "fail",
    "MUST NOT": "fail",
    "SHOULD": "warn",
    "SHOULD NOT": "warn",
    "MAY": "info",
}


def judge(
    target: Target,
    checks: Sequence[Check[Any]],
    *,
    progress: Progress | None = None,
    preflight_done: Callable[[Sequence[preflight.Finding]], None] | None = None,
    session: Session | None = None,
    clock: Callable[[], float] = time.time,
    inspect: Callable[[Session, Iterable[Capability]], Sequence[preflight.Finding]] = preflight.inspect,
) -> Report:
    """Run the checks against the target.

    Args:
        target: The system to judge.
        checks: What to judge (see `conformance.catalogue`).
        progress: Is told number, total and result after each check.
        preflight_done: Is told what the preflight found.
        session: Another way of sending, for tests.
        clock: Seconds since the epoch.
        inspect: Another preflight.
    """
    session = session or Session(target)
    started = clock()
    try:
        findings = inspect(session, (need for check in checks for need in check.needs))
        if preflight_done is not None:
            preflight_done(findings)
        if any(finding.state == "stop" for finding in findings):
            results = [_untried(check, target) for check in checks]
        else:
            results = _each(checks, session, progress)
    finally:
        session.close()
    return Report(
        url=target.url,
        revision=target.revision,
        results=tuple(results),
        preflight=tuple(findings),
        started=started,
        seconds=clock() - started,
        requests=len(session.exchanges),
        capabilities=target.capabilities,
    )


def _each(checks: Sequence[Check[Any]], session: Session, progress: Progress | None) -> list[Result]:
    results: list[Result] = []
    for number, check in enumerate(checks, 1):
        results.append(judge_one(check, session))
        if progress is not None:
            progress(number, len(checks), results[-1])
    return results


def _untried(check: Check[Any], target: Target) -> Result:
    if check.judge is None:
        return _unjudged(check, target, "excluded", check.excluded)
    return _unjudged(check, target, "blocked", "Not tried: the preflight found no target to judge.")


def judge_one(check: Check[Any], session: Session) -> Result:
    """The verdict of one check. Whatever goes wrong in it, the run goes on."""
    if check.judge is None:
        return _unjudged(check, session.target, "excluded", check.excluded)
    lacking = sorted(check.needs - session.target.capabilities)
    if lacking:
        blocked = Blocked.without(lacking[0])
        return _unjudged(check, session.target, "blocked", str(blocked), blocked.missing)
    began = time.monotonic()
    with session.watch() as evidence:
        result = _carry_out(check, session, evidence)
    return replace(result, seconds=time.monotonic() - began)


def _carry_out(check: Check[Any], session: Session, evidence: list[Exchange]) -> Result:
    assert check.judge is not None  # noqa: S101 - for the type checker
    try:
        problems = list(check.judge(session.view(check.view)))
    except NotApplicable as reason:
        return _unjudged(check, session.target, "not-applicable", str(reason), evidence=evidence)
    except Blocked as reason:
        return _unjudged(check, session.target, "blocked", str(reason), reason.missing, evidence=evidence)
    except Unanswered as reason:
        return _unjudged(check, session.target, "blocked", f"No answer to judge: {reason}.", evidence=evidence)
    except Exception as error:  # a bug of ours in one check must neither hide the others nor look like a finding
        words = f"The check itself failed: {type(error).__name__}: {error}"
        return _unjudged(check, session.target, "error", words, evidence=evidence)
    if not evidence:
        return _unjudged(check, session.target, "error", "The check looked at nothing, so it can say nothing.")
    return _judged(check, session.target, problems, evidence)


def _judged(check: Check[Any], target: Target, problems: list[Problem], evidence: list[Exchange]) -> Result:
    result = _unjudged(check, target, "pass", _answers(evidence))
    if problems:
        verdict = _VERDICTS[result.level]
        soft = all(problem.soft for problem in problems)
        result = replace(result, verdict="warn" if soft and verdict == "fail" else verdict, received=_words(problems))
    telling = [problem.exchange for problem in problems if problem.exchange is not None]
    shown = list(dict.fromkeys([*telling, *evidence]))[:_EVIDENCE]
    return replace(result, exchanges=tuple(shown))


def _unjudged(
    check: Check[Any],
    target: Target,
    verdict: Literal["pass", "not-applicable", "blocked", "error", "excluded"],
    received: str,
    missing: Capability | None = None,
    evidence: Iterable[Exchange] = (),
) -> Result:
    applying = tuple(item for item in check.requirements if item.applies(target.revision)) or check.requirements
    level = strictest(requirement.level_in(target.revision) for requirement in applying)
    return Result(check, applying, level, verdict, received, missing, tuple(evidence)[:_EVIDENCE])


def _words(problems: list[Problem]) -> str:
    hard_first = sorted(problems, key=lambda problem: problem.soft)
    return "; ".join(dict.fromkeys(problem.received for problem in hard_first))


def _answers(evidence: list[Exchange]) -> str:
    """What the answers were, in short: `401 ×3, 200`."""
    statuses = [exchange.response.status for exchange in evidence if exchange.response is not None]
    counted = {status: statuses.count(status) for status in statuses}
    return ", ".join(f"{status} ×{times}" if times > 1 else str(status) for status, times in counted.items())
