"""The mutation score counts a bug as found only if the right checks, and no others, turned red."""

from typing import Any

import pytest

from conformance.mutants import ROLES, find, matrix_of, score
from conformance.mutants.planted import Planted, is_killed

BUG = Planted("bug", "Something is wrong.", "as.a.b", frozenset({"as.c.d"}))


@pytest.mark.parametrize(
    ("found", "killed"),
    [
        ({"as.a.b": "fail: x", "as.c.d": "blocked: y"}, True),
        ({"as.a.b": "info: only a MAY", "as.c.d": "fail: y"}, True),
        ({"as.a.b": "blocked: cannot be judged", "as.c.d": "fail: y"}, False),
        ({"as.a.b": "error: ours", "as.c.d": "fail: y"}, False),
        ({"as.a.b": "fail: x"}, False),
        ({"as.a.b": "fail: x", "as.c.d": "fail: y", "as.e.f": "warn: z"}, False),
        ({}, False),
    ],
)
def test_a_bug_is_found_only_by_its_check_and_the_declared_others(found: dict[str, str], killed: bool) -> None:
    assert is_killed(BUG, found) is killed


def test_the_table_names_what_was_found_instead() -> None:
    text = score.table([(BUG, {"as.e.f": "fail: z"})])
    assert "NO: as.e.f" in text
    assert "0 of 1" in score.sentence([(BUG, {})])


@pytest.mark.parametrize("role", ROLES)
def test_every_bug_is_found_by_its_name_and_says_what_is_wrong(role: str) -> None:
    mutants: list[Any] = matrix_of(role).MUTANTS
    assert len({mutant.name for mutant in mutants}) == len(mutants)
    for mutant in mutants:
        assert mutant.bug
        assert find(mutant.name).name == mutant.name


def test_an_unknown_bug_is_named() -> None:
    with pytest.raises(LookupError, match="no_such_bug"):
        find("no_such_bug")


def test_the_score_fails_if_one_bug_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[score.Row] = [(BUG, {"as.a.b": "fail: x", "as.c.d": "fail: y"})]
    monkeypatch.setattr(score.sys, "argv", ["score"])
    monkeypatch.setattr(score, "_judged", lambda role: found)  # pyright: ignore[reportUnknownLambdaType,reportUnknownArgumentType]
    assert score.main() == 0
    found.append((BUG, {}))
    assert score.main() == 1
