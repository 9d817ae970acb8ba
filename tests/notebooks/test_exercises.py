"""Every exercise: its stub does not solve it, its solution does, and no mistake of a learner breaks the notebook."""

import inspect
from typing import Any

import pytest
from lessons import LESSONS, cells, number

from conformance import mutants
from mcp_demo.exchange import spec
from mcp_demo.lab import check, exercise, hint, trial
from mcp_demo.lab.exercise import Exercise

EXERCISES = sorted(exercise.load().values(), key=lambda item: (item.solution.__module__, item.name))
LONGEST_REPAIR = 5


def names(item: Exercise) -> str:
    return item.name


def defined(source: str, name: str) -> Any:
    """What a learner's cell defines."""
    known: dict[str, Any] = {}
    exec(source, known)
    return known[name]


def asking_for(item: Exercise, repair: Any) -> Any:
    """The repair, with the parameters that the exercise's own has."""
    repair.__signature__ = inspect.signature(defined(item.stub, item.function))
    return repair


@pytest.mark.parametrize("item", EXERCISES, ids=names)
def test_the_stub_does_not_solve_the_exercise(item: Exercise) -> None:
    shown = check(item.name, defined(item.stub, item.function))
    assert shown.text.startswith(f"✗ Not yet: {item.name}"), shown.text


@pytest.mark.parametrize("item", EXERCISES, ids=names)
def test_hints_lead_to_a_solution_that_solves_the_exercise(item: Exercise) -> None:
    nudge, section, solution, again = (hint(item.name).text for _ in range(4))
    assert item.nudge in nudge
    assert item.section in section
    assert spec.url(item.section)
    assert item.answer in solution == again
    shown = check(item.name, defined(item.answer, item.function))
    assert shown.text.startswith(f"✓ Solved: {item.name}"), shown.text
    assert item.nudge in hint(item.name).text, "the ladder of a solved exercise begins anew"


@pytest.mark.parametrize("item", EXERCISES, ids=names)
def test_a_repair_that_stops_with_an_exception_is_told_in_words(item: Exercise) -> None:
    def fails(*given: object, **named: object) -> None:
        raise KeyError("aud")

    shown = check(item.name, asking_for(item, fails))
    assert shown.text.startswith("✗ Not yet")
    assert "KeyError: 'aud'" in shown.text


def test_a_repair_that_returns_nothing_or_is_no_function_is_told_in_words() -> None:
    def forgets(parameters: dict[str, str]) -> None:
        parameters.clear()

    def wonders(nonsense: object) -> object:
        return nonsense

    assert "it returned nothing, where dict was expected" in check("do-not-blame", forgets).text
    assert "42 is no function" in check("do-not-blame", 42).text  # pyright: ignore[reportArgumentType]
    assert "it asks for nonsense; it can have parameters," in check("do-not-blame", wonders).text


@pytest.mark.parametrize("item", EXERCISES, ids=names)
def test_an_exercise_starts_from_a_planted_bug_and_is_repaired_in_five_lines(item: Exercise) -> None:
    assert mutants.find(item.mutant).check == trial.bug(item.mutant).check
    assert 1 <= len(item.repair.splitlines()) <= LONGEST_REPAIR, item.repair
    assert "TODO" in item.stub


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_a_notebook_has_its_exercises_to_the_letter(lesson: Any) -> None:
    own = exercise.of_notebook(number(lesson))
    if "02" <= number(lesson) <= "09":
        assert len(own) >= 2
    sources = [cell["source"] for cell in cells(lesson, "code")]
    for item in own:
        assert item.cell in sources, f"{item.name} has no cell like\n{item.cell}"


def test_names_that_do_not_exist_are_answered_with_a_suggestion() -> None:
    assert "Did you mean do-not-blame?" in check("do-not-blam", print).text
    assert "There is no exercise" in hint("nothing-of-the-kind").text
