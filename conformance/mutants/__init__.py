"""Planted bugs: the reference system with one defect each, to prove that the checks find what they claim to find."""

from importlib import import_module
from typing import Any

ROLES = {
    "resource-server": "conformance.mutants.matrix",
    "authorization-server": "conformance.mutants.authz_matrix",
    "client": "conformance.mutants.client",
}
"""For each role the module that has its `MUTANTS`, and `red`, which says who finds one."""


def matrix_of(role: str) -> Any:
    """The module of a role, in which all its bugs are planted."""
    return import_module(ROLES[role])


def find(name: str) -> Any:
    """The planted bug of this name, of whatever role.

    Raises:
        LookupError: There is none.
    """
    for role in ROLES:
        for mutant in matrix_of(role).MUTANTS:
            if mutant.name == name:
                return mutant
    raise LookupError(f"No planted bug is called {name!r}.")
