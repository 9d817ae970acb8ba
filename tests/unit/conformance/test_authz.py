"""The authorization-server checks against the reference bridge, with and without planted bugs."""

import logging
from collections.abc import Iterator

import pytest

from conformance import catalogue, requirements
from conformance.mutants.authz_matrix import MUTANTS, red
from conformance.mutants.authz_plant import Mutant, judged
from conformance.mutants.planted import is_killed
from conformance.requirements import REVISIONS

CHECKS = [check for check in catalogue.load() if check.role == "authorization-server"]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_every_requirement_has_a_check_or_a_reason() -> None:
    wanted = {name for name in requirements.load() if name.startswith("AS-")}
    assert {item.id for check in CHECKS for item in check.requirements} == wanted
    assert all(check.excluded for check in CHECKS if check.judge is None)


def test_every_check_has_a_planted_bug() -> None:
    assert {planted.check for planted in MUTANTS} == {check.id for check in CHECKS if check.judge is not None}


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("revision", REVISIONS)
def test_the_reference_is_right(revision: str, scheme: str) -> None:
    report = judged(revision=revision, scheme=scheme)
    wrong = {
        item.check.id: item.received
        for item in report.results
        if item.is_problem or item.verdict in ("error", "blocked")
    }
    assert wrong == {}
    assert report.summary["pass"] >= 50


def test_every_client_that_was_registered_is_deleted_in_the_end() -> None:
    left: list[object] = []
    planted = Mutant("watched", "", "", frozenset(), prepare=lambda lab: left.append(lab.registry))
    judged(planted)
    registry = left[0]
    assert vars(registry) == {"_clients": {}}


@pytest.mark.slow
@pytest.mark.parametrize("planted", MUTANTS, ids=lambda planted: planted.name)
def test_a_planted_bug_is_found_by_the_check_that_claims_it_and_by_no_other(planted: Mutant) -> None:
    found = red(planted)
    assert is_killed(planted, found), found
