"""What becomes of a check: verdicts, evidence and exit codes."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from conformance.check import Blocked, Check, Checks, NotApplicable, Problem, Problems
from conformance.requirements import load
from conformance.result import Report, Result
from conformance.run import judge, judge_one
from conformance.session import Session, View
from conformance.target import Capability, Target
from mcp_demo.exchange.model import Exchange, Request

_URL = "http://localhost:1/mcp"
_ASKED = Exchange("Ask", "To see.", "RFC 9110", "suite", "server", Request("GET", _URL))


def _session(answer: Callable[[httpx.Request], httpx.Response] | None = None, **target: Any) -> Session:
    transport = httpx.MockTransport(answer or (lambda request: httpx.Response(200)))
    return Session(Target(_URL, **target), transport=transport)


def _check(judge: Callable[[View], Problems], requirement: str = "RS-401-CHALLENGE", **members: Any) -> Check[View]:
    checks = Checks(View)
    checks.add("rs.some.thing", requirement, expected="e", why="w", fix="f", **members)(judge)
    return checks.all[0]


def _looks(*problems: Problem) -> Callable[[View], Problems]:
    def judge(view: View) -> Iterator[Problem]:
        view.session.send(_ASKED)
        yield from problems

    return judge


def _raises(error: Exception, *, looking: bool = True) -> Callable[[View], Problems]:
    def judge(view: View) -> Iterator[Problem]:
        if looking:
            view.session.send(_ASKED)
        raise error
        yield

    return judge


def test_a_check_without_problems_passes_and_keeps_its_evidence() -> None:
    result = judge_one(_check(_looks()), _session())
    assert result.verdict == "pass"
    assert [exchange.request for exchange in result.exchanges] == [_ASKED.request]


def test_a_check_that_looked_at_nothing_never_passes() -> None:
    assert judge_one(_check(lambda view: iter(())), _session()).verdict == "error"


@pytest.mark.parametrize(
    ("requirement", "soft", "verdict"),
    [
        ("RS-401-CHALLENGE", False, "fail"),
        ("RS-401-CHALLENGE", True, "warn"),
        ("RS-TOK-ALG-NONE", False, "fail"),
        ("RS-401-SCOPE-HINT", False, "warn"),
        ("RS-NO-OFFLINE-ACCESS", True, "warn"),
    ],
)
def test_how_grave_a_problem_is_follows_from_the_level(requirement: str, soft: bool, verdict: str) -> None:
    assert judge_one(_check(_looks(Problem("bad", soft=soft)), requirement), _session()).verdict == verdict


def test_one_hard_problem_among_soft_ones_fails() -> None:
    result = judge_one(_check(_looks(Problem("a", soft=True), Problem("b"))), _session())
    assert (result.verdict, result.received) == ("fail", "b; a")


def test_a_missing_precondition_is_not_applicable_never_pass() -> None:
    result = judge_one(_check(_raises(NotApplicable("no sessions"))), _session())
    assert (result.verdict, result.received) == ("not-applicable", "no sessions")


def test_a_missing_capability_blocks_before_anything_is_sent() -> None:
    session = _session()
    result = judge_one(_check(_looks(), needs=(Capability.TOKEN,)), session)
    assert (result.verdict, result.missing) == ("blocked", Capability.TOKEN)
    assert session.exchanges == ()
    assert not result.fails(strict=True)


def test_a_check_that_is_blocked_for_another_reason_counts_against_the_target() -> None:
    result = judge_one(_check(_raises(Blocked("no document"))), _session())
    assert result.verdict == "blocked"
    assert result.fails(strict=False)


def test_no_answer_blocks() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow", request=request)

    result = judge_one(_check(_looks()), _session(refuse))
    assert (result.verdict, result.received) == ("blocked", "No answer to judge: no complete answer in time.")


def test_a_bug_of_ours_is_an_error_and_the_run_goes_on() -> None:
    checks = [_check(_raises(ZeroDivisionError("oops"))), _check(_looks())]
    report = judge(Target(_URL), checks, session=_session())
    assert [result.verdict for result in report.results] == ["error", "pass"]
    assert report.exit_code == 3


def test_each_request_is_sent_once_however_many_checks_look_at_it() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200)

    session = _session(answer)
    results = [judge_one(_check(_looks()), session) for _ in range(3)]
    assert len(asked) == 1
    assert all(result.exchanges for result in results)


def test_a_target_that_stops_answering_is_left_alone() -> None:
    asked: list[str] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        raise httpx.ReadError("cut", request=request)

    session = _session(refuse)
    for number in range(9):
        probe = replace(_ASKED, request=Request("GET", f"{_URL}/{number}"))
        judge_one(_check(lambda view, probe=probe: iter([Problem(str(view.session.send(probe)))])), session)
    assert len(asked) == 3


def test_a_target_elsewhere_is_asked_politely() -> None:
    waited: list[float] = []
    transport = httpx.MockTransport(lambda request: httpx.Response(200))
    session = Session(Target("https://mcp.example/mcp"), transport=transport, sleep=waited.append)
    for number in range(3):
        session.send(replace(_ASKED, request=Request("GET", f"https://mcp.example/{number}")))
    assert len(waited) == 2
    assert all(0 < pause <= 0.04 for pause in waited)


def _report(*verdicts: str, requirement: str = "RS-401-CHALLENGE", strict: bool = False) -> Report:
    check = _check(_looks(), requirement)
    judged = (load()[requirement],)
    results = tuple(Result(check, judged, "MUST", verdict, "") for verdict in verdicts)  # pyright: ignore[reportArgumentType]
    return Report(_URL, "2026-07-28", results, (), 0.0, 0.0, 0, strict=strict)


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (_report("pass", "not-applicable", "excluded"), 0),
        (_report("pass", "warn"), 0),
        (_report("pass", "warn", strict=True), 1),
        (_report("pass", "fail"), 1),
        (_report("fail", "error"), 3),
        (_report(), 5),
        (_report("fail", requirement="RS-TOK-CRIT"), 0),
        (_report("fail", requirement="RS-TOK-CRIT", strict=True), 1),
    ],
)
def test_exit_codes_follow_the_verdicts_and_hardening_stays_apart(report: Report, code: int) -> None:
    assert report.exit_code == code
    assert report.sentence
