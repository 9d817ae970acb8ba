"""All checks, and how to choose among them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import conformance.checks
from conformance.check import Check
from conformance.requirements import LATEST, Level, Role, strictest


@cache
def load() -> Sequence[Check[Any]]:
    """Every check of every role: the `checks.all` of each package in `conformance.checks`, topic by topic."""
    found: list[Check[Any]] = []
    for package in sorted(module.name for module in iter_modules(conformance.checks.__path__) if module.ispkg):
        role = import_module(f"conformance.checks.{package}")
        for topic in role.TOPICS:
            import_module(f"conformance.checks.{package}.{topic}")
        found += role.checks.all
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which checks to run. Empty members choose everything.

    Args:
        revision: Only what applies in this revision of MCP.
        select: Ids of checks or requirements, their beginnings (`rs.challenge`), patterns (`rs.*.grammar`), documents
            (`RFC 9728`).
        exclude: The same, to leave out.
        roles: Only these roles.
        must_only: Only what is a MUST or MUST NOT.
    """

    revision: str = LATEST
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()
    must_only: bool = False

    def of(self, checks: Iterable[Check[Any]]) -> tuple[Check[Any], ...]:
        """The chosen checks, in their order."""
        return tuple(check for check in checks if self._chooses(check))

    def unknown(self, checks: Sequence[Check[Any]]) -> tuple[str, ...]:
        """The selectors that fit no check at all: most likely misspelt."""
        given = (*self.select, *self.exclude)
        return tuple(selector for selector in given if not any(fits(selector, check) for check in checks))

    def _chooses(self, check: Check[Any]) -> bool:
        levels: list[Level] = [
            item.level_in(self.revision) for item in check.requirements if item.applies(self.revision)
        ]
        if not levels or (self.roles and check.role not in self.roles):
            return False
        if self.must_only and not strictest(levels).startswith("MUST"):
            return False
        if any(fits(selector, check) for selector in self.exclude):
            return False
        return not self.select or any(fits(selector, check) for selector in self.select)


def fits(selector: str, check: Check[Any]) -> bool:
    """Whether a selector means a check."""
    names = (check.id, *(requirement.id for requirement in check.requirements))
    if any(fnmatchcase(name, selector) or name == selector or name.startswith(f"{selector}.") for name in names):
        return True
    if selector.isupper() and any(name.startswith(f"{selector}-") for name in names):
        return True
    document = selector.upper().replace(" ", "")
    if not document.startswith(("RFC", "MCP", "OAUTH", "CIMD", "OIDC")):
        return False
    return any(document in requirement.source.upper().replace(" ", "") for requirement in check.requirements)
