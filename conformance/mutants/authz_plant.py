"""How a bug is planted in the authorization server, and who finds it."""

from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from unittest.mock import patch

from conformance import catalogue
from conformance.catalogue import Selection
from conformance.mutants import planted
from conformance.mutants.authz_also import also
from conformance.mutants.authz_reference import Lab, Wrapper, served, unchanged
from conformance.mutants.in_process import InProcess
from conformance.mutants.plant import Answer, Forward, Seen, around
from conformance.mutants.planted import Planted
from conformance.requirements import LATEST
from conformance.result import Report
from conformance.run import judge
from conformance.session import Session

Behaviour = Callable[[Seen, Forward, Lab], Awaitable[Answer]]
Rule = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Mutant(Planted):
    """A planted bug of an authorization server.

    Args:
        wrap: Puts it in front of the reference.
        rules: Functions of the reference that are replaced, by their path.
        prepare: Changes what is behind the reference.
        options: How the reference is set up otherwise.
        revision: The revision to judge by.
    """

    wrap: Wrapper = unchanged
    rules: tuple[Rule, ...] = ()
    prepare: Callable[[Lab], object] = lambda lab: None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    revision: str = LATEST


MUTANTS: list[Mutant] = []


def mutant(check: str, *, rules: Mapping[str, Any] | None = None, **options: Any) -> Callable[[Behaviour], Behaviour]:
    """Make a function between client and reference a planted bug; its docstring says which."""

    def register(behaviour: Behaviour) -> Behaviour:
        wrap = cast("Wrapper", around(cast("Any", behaviour)))
        name, bug, replaced = behaviour.__name__, (behaviour.__doc__ or "").strip(), tuple((rules or {}).items())
        MUTANTS.append(Mutant(name, bug, check, also(name), wrap, replaced, options=options))
        return behaviour

    return register


def broken(
    name: str,
    bug: str,
    check: str,
    *,
    rules: Mapping[str, Any] | None = None,
    prepare: Callable[[Lab], object] = lambda lab: None,
    revision: str = LATEST,
    **options: Any,
) -> None:
    """Replace rules of the reference, or change what is behind it."""
    replaced = tuple((rules or {}).items())
    MUTANTS.append(
        Mutant(name, bug, check, also(name), rules=replaced, prepare=prepare, options=options, revision=revision)
    )


def always(*_: object, **__: object) -> bool:
    """A rule that everybody keeps."""
    return True


def nothing(*_: object, **__: object) -> None:
    """A rule that nobody minds."""


@contextmanager
def _replaced(rules: tuple[Rule, ...]) -> Generator[None]:
    with ExitStack() as stack:
        for path, value in rules:
            stack.enter_context(patch(path, value))
        yield


def judged(mutant: Mutant | None = None, *, revision: str = LATEST, **options: Any) -> Report:
    """The report on the reference, with a bug or without."""
    mutant = mutant or Mutant("reference", "", "", frozenset(), revision=revision, options=options)
    network = InProcess()
    try:
        with (
            _replaced(mutant.rules),
            served(network, mutant.wrap, revision=mutant.revision, prepare=mutant.prepare, **mutant.options) as target,
        ):
            checks = Selection(revision=mutant.revision, roles=("authorization-server",)).of(catalogue.load())
            return judge(target, checks, session=Session(target, transport=network, sleep=network.sleep))
    finally:
        network.end()


def red(mutant: Mutant) -> Mapping[str, str]:
    """The checks that turn red with a bug, and what they say."""
    return planted.red(judged(mutant))
