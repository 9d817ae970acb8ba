"""The client checks against the reference client, with and without planted bugs."""

import json
from pathlib import Path

import pytest

from conformance import catalogue, document, requirements
from conformance.client_run import judge_client
from conformance.mutants.client import MUTANTS, Mutant, judged, red
from conformance.mutants.client_plant import Rehearsal
from conformance.mutants.planted import is_killed, is_red
from conformance.personas import CREDENTIALS, SCENARIOS
from conformance.requirements import REVISIONS
from conformance.session import Session
from conformance.target import Target
from conformance.views.client import Client

_CHECKS = [check for check in catalogue.load() if check.role == "client"]


def test_every_requirement_of_clients_has_a_check_or_a_reason() -> None:
    wanted = {name for name in requirements.load() if name.startswith("CL-")}
    assert {item.id for check in _CHECKS for item in check.requirements} == wanted
    assert all(check.excluded for check in _CHECKS if check.judge is None)


def test_every_client_check_has_a_planted_bug() -> None:
    assert {mutant.check for mutant in MUTANTS} == {check.id for check in _CHECKS if check.judge is not None}
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize(("revision", "judges"), list(zip(REVISIONS, (21, 34, 47), strict=True)))
def test_the_reference_client_is_right(revision: str, judges: int) -> None:
    report = judged(revision=revision)
    assert {result.check.id: result.received for result in report.results if is_red(result)} == {}
    assert report.summary == {"pass": judges, "excluded": 1}
    assert report.exit_code == 0


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_bug_in_the_client_is_found_by_its_check_and_by_no_other(mutant: Mutant) -> None:
    found = red(mutant)
    assert is_killed(mutant, found), found


def test_every_scenario_is_played_and_says_what_is_particular_about_it(tmp_path: Path) -> None:
    reference = Mutant("reference", "", "", frozenset())
    target = Target("reference", subject=Rehearsal(reference, tmp_path))
    session = Session(target)
    judge_client(target, _CHECKS, session=session)
    assert {play.scenario.name for play in session.view(Client).plays} == set(SCENARIOS)
    assert all(scenario.says and not scenario.says.endswith(".") for scenario in SCENARIOS.values())


def test_no_token_and_no_secret_of_a_run_is_in_its_report(tmp_path: Path) -> None:
    target = Target("reference", subject=Rehearsal(Mutant("reference", "", "", frozenset()), tmp_path))
    session = Session(target)
    text = json.dumps(document.build(judge_client(target, _CHECKS, session=session)))
    secrets = {token for play in session.view(Client).plays for token in play.world.secrets}
    assert len(secrets) > 50
    assert not [secret for secret in (*secrets, CREDENTIALS["client_secret"]) if secret in text]


def test_two_runs_of_a_client_give_the_same_verdicts() -> None:
    first, second = judged(), judged()
    assert [(result.check.id, result.verdict) for result in first.results] == [
        (result.check.id, result.verdict) for result in second.results
    ]
