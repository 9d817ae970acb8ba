from concurrent.futures import ThreadPoolExecutor

import pytest
from bridge_kit import settings

from mcp_demo.bridge.stores import MemoryFamilies, open_stores
from mcp_demo.errors import SetupError
from mcp_demo.registry.families import GRACE, Families, Rotation

LATER = 1_000_000.0


def rotate(families: MemoryFamilies, generation: int, now: float = 0.0) -> Rotation:
    return families.rotate("family", generation, now=now, expires=LATER)


def test_each_use_moves_the_family_on() -> None:
    families = MemoryFamilies()
    assert [rotate(families, n) for n in range(3)] == [Rotation("rotated", n) for n in (1, 2, 3)]


@pytest.mark.parametrize(("seconds", "outcome"), [(GRACE - 1, "parallel"), (GRACE, "parallel"), (GRACE + 1, "reused")])
def test_the_previous_token_works_for_the_length_of_the_grace(seconds: float, outcome: str) -> None:
    families = MemoryFamilies()
    rotate(families, 0)
    assert rotate(families, 0, now=seconds).outcome == outcome


@pytest.mark.parametrize("generation", [0, 5])
def test_a_token_that_cannot_be_current_ends_the_family(generation: int) -> None:
    families = MemoryFamilies()
    rotate(families, 0)
    rotate(families, 1)
    assert rotate(families, generation).outcome == "reused"
    assert rotate(families, 2).outcome == "ended"


def test_an_ended_family_stays_ended() -> None:
    families = MemoryFamilies()
    families.end("family", expires=LATER)
    assert rotate(families, 0).outcome == "ended"


def test_after_a_restart_a_family_is_taken_as_it_comes() -> None:
    assert rotate(MemoryFamilies(), 7) == Rotation("rotated", 8)


def test_of_parallel_uses_one_moves_the_family_on_and_all_get_the_same_generation() -> None:
    families = MemoryFamilies()
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(rotate, [families] * 50, [0] * 50))
    assert sorted(outcome.outcome for outcome in outcomes) == ["parallel"] * 49 + ["rotated"]
    assert {outcome.generation for outcome in outcomes} == {1}


def test_a_one_time_value_is_refused_until_it_could_not_be_used_any_more() -> None:
    families = MemoryFamilies()
    assert families.is_first_use("jti", now=0.0, expires=60.0)
    assert not families.is_first_use("jti", now=59.0, expires=60.0)
    assert families.is_first_use("jti", now=60.0, expires=120.0)
    assert families.is_first_use("other", now=0.0, expires=60.0)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_demo.bridge.stores._MOST", 3)
    families = MemoryFamilies()
    for number in range(10):
        families.rotate(str(number), 0, now=0.0, expires=LATER)
    assert families.rotate("9", 0, now=0.0, expires=LATER).outcome == "parallel"
    assert families.rotate("0", 5, now=0.0, expires=LATER).outcome == "rotated"


def test_tables_are_used_where_the_settings_name_them() -> None:
    named = settings(families_table="t", aws_region="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
    assert isinstance(open_stores(named)[1], Families)
    assert isinstance(open_stores(settings())[1], MemoryFamilies)


def test_malformed_clients_in_the_settings_are_named_at_the_start() -> None:
    with pytest.raises(SetupError, match="MCP_DEMO_CLIENTS"):
        open_stores(settings(clients="{"))
