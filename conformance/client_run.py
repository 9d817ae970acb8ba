"""Judge a client: one run with helpful servers as a preflight, then every check over the runs that it needs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from conformance.check import Blocked, Check
from conformance.personas import Play
from conformance.preflight import Finding
from conformance.result import Report
from conformance.run import Progress, judge
from conformance.session import Session
from conformance.target import Capability, Target
from conformance.views.client import Client


def judge_client(
    target: Target,
    checks: Sequence[Check[Any]],
    *,
    progress: Progress | None = None,
    preflight_done: Callable[[Sequence[Finding]], None] | None = None,
    session: Session | None = None,
) -> Report:
    """Run the checks against the client.

    Args:
        target: The client; its URL is what is shown of it.
        checks: What to judge.
        progress: Is told number, total and result after each check.
        preflight_done: Is told what the preflight found.
        session: Another way of fetching the client's metadata document, for tests.
    """
    session = session or Session(target)
    report = judge(target, checks, progress=progress, preflight_done=preflight_done, session=session, inspect=_inspect)
    requests = sum(len(play.hits()) for play in session.view(Client).plays)
    return replace(report, requests=requests + len(session.exchanges))


def _inspect(session: Session, wanted: Iterable[Capability]) -> tuple[Finding, ...]:
    """Run the client once where all is well. If it does not even ask, there is nothing to judge."""
    del wanted
    try:
        play = session.view(Client).play("helpful")
    except Blocked as reason:
        cure = "Does the command run by itself, and does it take the URL as its last argument, or where it says {url}?"
        return (Finding("client", "stop", f"{reason} {cure}"),)
    return (*_entered(play), *_opened(play))


def _entered(play: Play) -> tuple[Finding, ...]:
    if play.successes:
        words = f"It gets in where all is well, with {len(play.hits())} requests; {play.fate.partition(';')[0]}."
        return (Finding("client", "ok", words),)
    return (Finding("client", "note", f"It does not get in even where all is well: {play.fate}."),)


def _opened(play: Play) -> tuple[Finding, ...]:
    if not play.authorizations:
        return ()
    words = "opens the browser of $BROWSER" if play.opened else "follows the authorization URL by itself"
    return (Finding("sign-in", "ok", f"It {words}."),)
