"""The checks find what they claim to find, and accuse nobody wrongly."""

import pytest

from conformance import catalogue
from conformance.mutants.access import sessions
from conformance.mutants.matrix import MUTANTS, judge_wrapped, red
from conformance.mutants.plant import Mutant, around
from conformance.mutants.planted import is_killed, is_red
from conformance.requirements import REVISIONS

_CHECKS = [check for check in catalogue.load() if check.role == "resource-server"]


@pytest.mark.parametrize("audience", ["resource", "scope"])
@pytest.mark.parametrize("revision", REVISIONS)
def test_the_reference_server_is_green(revision: str, audience: str) -> None:
    report = judge_wrapped(revision=revision, audience=audience)
    assert [(result.check.id, result.received) for result in report.results if is_red(result)] == []
    assert report.summary["pass"] > 40
    assert not report.summary["blocked"]
    assert report.exit_code == 0


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_is_found_by_the_check_that_claims_it_and_by_no_other(mutant: Mutant) -> None:
    found = red(mutant)
    assert is_killed(mutant, found), found


def test_every_check_has_a_bug_that_it_finds() -> None:
    claimed = {mutant.check for mutant in MUTANTS}
    assert {check.id for check in _CHECKS if check.judge is not None} == claimed


def test_bugs_have_names_and_words_of_their_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert all(mutant.bug for mutant in MUTANTS)


def test_a_server_with_sound_sessions_passes_the_session_checks() -> None:
    report = judge_wrapped(around(sessions()), revision="2025-11-25")
    verdicts = {result.check.id: result.verdict for result in report.results}
    assert verdicts["rs.session.no-credential"] == verdicts["rs.session.bound-to-user"] == "pass"


def test_two_runs_give_the_same_verdicts() -> None:
    first, second = judge_wrapped(), judge_wrapped()
    assert [(result.check.id, result.verdict) for result in first.results] == [
        (result.check.id, result.verdict) for result in second.results
    ]
