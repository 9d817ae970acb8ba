"""The plan for many users: the page is what the command prints, and the simulated day adds up."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.plan import Assumptions, changed, day, verdicts, written

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
USUAL = Assumptions()


def test_the_page_holds_what_the_command_prints() -> None:
    document = PAGE.read_text(encoding="utf-8")
    assert written(document, USUAL) == document, "Run: python -m benchmarks plan --write docs/scale.md"


def test_a_days_sign_ins_are_as_many_as_people_make_and_its_peak_is_as_high_as_assumed() -> None:
    minutes = [seen["sign_ins"] for seen in day(USUAL)]
    whole = USUAL.users * USUAL.active * USUAL.visits * USUAL.sign_ins
    assert sum(minutes) * 60 == pytest.approx(whole, rel=1e-6)  # pyright: ignore[reportUnknownMemberType]
    assert 3.0 <= max(minutes) / (sum(minutes) / len(minutes)) < 3.3


def test_a_shorter_token_costs_a_refresh_for_each_time_it_ends() -> None:
    short = sum(seen["refreshes"] for seen in day(replace(USUAL, token_minutes=15)))
    usual = sum(seen["refreshes"] for seen in day(USUAL))
    visits = USUAL.users * USUAL.active * USUAL.visits / 60
    assert short - usual == pytest.approx(3 * visits, rel=1e-6)  # pyright: ignore[reportUnknownMemberType]


def test_under_the_plan_no_quota_is_asked_for_more_than_it_gives() -> None:
    assert verdicts(USUAL)[0].used > 1
    assert all(found.used <= 1 and not found.minutes for found in verdicts(changed(USUAL)))


def test_an_app_client_for_each_client_binds_where_a_shared_one_does_not() -> None:
    own = {found.quota.name: found.used for found in verdicts(replace(USUAL, own_app_clients=True))}
    shared = {found.quota.name: found.used for found in verdicts(USUAL)}
    assert own["app clients (pool)"] > 1 > shared["app clients (pool)"]
