"""Exercises: a planted bug, a few lines that repair it, and the check of the conformance suite that judges them.

    @exercise(
        "name-the-metadata",
        mutant="hides_the_metadata",
        kind=repairs.challenge(),
        stub='''
        def repair(parameters, server):
            # TODO: …
            return parameters
        ''',
        nudge="What does the client need to find next?",
        section="RFC 9728 §5.1",
    )
    def name_the_metadata(parameters, server):
        …the solution…

A notebook's exercises are the module `mcp_demo.lab.exercises.nNN`; its cell is `Exercise.cell`, to the letter.
"""

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from textwrap import dedent, indent
from typing import Any, TypeVar

from mcp_demo.lab import exercises
from mcp_demo.lab.repairs import Kind

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Exercise:
    """Something to repair.

    Args:
        name: In words with hyphens, unique.
        mutant: The planted bug of the conformance suite.
        kind: What the repair works on.
        stub: What the learner starts from.
        nudge: The first hint: a question or an observation.
        section: The second hint: where it is written.
        solution: The third: a function that solves it.
    """

    name: str
    mutant: str
    kind: Kind
    stub: str
    nudge: str
    section: str
    solution: Callable[..., Any] = field(repr=False)

    @property
    def function(self) -> str:
        """What the learner's function is called."""
        found = re.search(r"^def (\w+)", self.stub, re.MULTILINE)
        if found is None:
            raise ValueError(f"The stub of {self.name} defines no function.")
        return found[1]

    @property
    def cell(self) -> str:
        """The cell of the notebook."""
        return f'{self.stub}\n\nlab.check("{self.name}", {self.function})'

    @property
    def answer(self) -> str:
        """The solution as the learner would write it: the stub down to its `def`, and the lines that solve it."""
        head = re.match(r"(?ms).*?^def [^\n]*", self.stub)
        return f"{head[0] if head else ''}\n{self.repair}"

    @property
    def repair(self) -> str:
        """The lines that solve it."""
        return indent(_body(self.solution), "    ")


_FOUND: dict[str, Exercise] = {}


def exercise(name: str, *, mutant: str, kind: Kind, stub: str, nudge: str, section: str) -> Callable[[F], F]:
    """Make a function the solution of an exercise."""

    def register(solution: F) -> F:
        _FOUND[name] = Exercise(name, mutant, kind, dedent(stub).strip("\n"), nudge, section, solution)
        return solution

    return register


@cache
def load() -> Mapping[str, Exercise]:
    """All exercises of all notebooks, by their names."""
    for module in sorted(found.name for found in iter_modules(exercises.__path__)):
        import_module(f"{exercises.__name__}.{module}")
    return dict(_FOUND)


def of_notebook(number: str) -> tuple[Exercise, ...]:
    """The exercises of one notebook, e.g. `02`."""
    module = f"{exercises.__name__}.n{number}"
    return tuple(item for item in load().values() if item.solution.__module__ == module)


def _body(solution: Callable[..., Any]) -> str:
    """The lines of a function, without its head and docstring."""
    source = dedent(inspect.getsource(solution))
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)  # noqa: S101 - for the type checker
    first = function.body[1 if ast.get_docstring(function) is not None else 0]
    return dedent("\n".join(source.splitlines()[first.lineno - 1 :]))
