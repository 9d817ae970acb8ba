"""How a bug is planted in the authorization server, and who finds it."""

from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from unittest.mock import patch

from conformance import catalogue
from conformance.catalogue import Selection
from conformance.mutants.authz_reference import Lab, Wrapper, served, unchanged
from conformance.mutants.in_process import InProcess
from conformance.mutants.plant import Answer, Forward, Seen, around
from conformance.requirements import LATEST
from conformance.result import Report
from conformance.run import judge
from conformance.session import Session

Behaviour = Callable[[Seen, Forward, Lab], Awaitable[Answer]]
Rule = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A planted bug.

    Args:
        name: What it is called.
        bug: What is wrong, in a sentence.
        check: The check that claims to find it.
        also: Other checks that rightly turn red with it.
        wrap: Puts it in front of the reference.
        rules: Functions of the reference that are replaced, by their path.
        prepare: Changes what is behind the reference.
        options: How the reference is set up otherwise.
        revision: The revision to judge by.
    """

    name: str
    bug: str
    check: str
    also: frozenset[str] = frozenset()
    wrap: Wrapper = unchanged
    rules: tuple[Rule, ...] = ()
    prepare: Callable[[Lab], object] = lambda lab: None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    revision: str = LATEST


MUTANTS: list[Mutant] = []


def mutant(check: str, *also: str, **options: Any) -> Callable[[Behaviour], Behaviour]:
    """Make a function between client and reference a planted bug; its docstring says which."""

    def register(behaviour: Behaviour) -> Behaviour:
        wrap = cast("Wrapper", around(cast("Any", behaviour)))
        bug = (behaviour.__doc__ or "").strip()
        MUTANTS.append(Mutant(behaviour.__name__, bug, check, frozenset(also), wrap, options=options))
        return behaviour

    return register


def broken(
    name: str,
    bug: str,
    check: str,
    *also: str,
    rules: Mapping[str, Any] | None = None,
    prepare: Callable[[Lab], object] = lambda lab: None,
    revision: str = LATEST,
    **options: Any,
) -> None:
    """Replace rules of the reference, or change what is behind it."""
    replaced = tuple((rules or {}).items())
    MUTANTS.append(
        Mutant(name, bug, check, frozenset(also), rules=replaced, prepare=prepare, options=options, revision=revision)
    )


@contextmanager
def _replaced(rules: tuple[Rule, ...]) -> Generator[None]:
    with ExitStack() as stack:
        for path, value in rules:
            stack.enter_context(patch(path, value))
        yield


def judged(planted: Mutant | None = None, *, revision: str = LATEST, **options: Any) -> Report:
    """The report on the reference, with a bug or without."""
    planted = planted or Mutant("reference", "", "", revision=revision, options=options)
    network = InProcess()
    try:
        with (
            _replaced(planted.rules),
            served(
                network, planted.wrap, revision=planted.revision, prepare=planted.prepare, **planted.options
            ) as target,
        ):
            checks = Selection(revision=planted.revision, roles=("authorization-server",)).of(catalogue.load())
            return judge(target, checks, session=Session(target, transport=network))
    finally:
        network.end()


def red(planted: Mutant) -> Mapping[str, str]:
    """The checks that turn red with a bug, and what they say. Info is red too for what is only a MAY."""
    return {
        result.check.id: f"{result.verdict}: {result.received}"
        for result in judged(planted).results
        if result.verdict in ("fail", "warn", "error", "info") or result.unproven
    }
