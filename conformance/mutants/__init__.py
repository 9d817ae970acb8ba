"""Planted bugs: the reference system with one defect each, to prove that the checks find what they claim to find."""

from importlib import import_module
from typing import Any

ROLES = {
    "resource-server": "conformance.mutants.matrix",
    "authorization-server": "conformance.mutants.authz_matrix",
}
"""For each role the module that has its `MUTANTS`, and `red`, which says who finds one."""


def find(name: str) -> Any:
    """The planted bug of this name, of whatever role.

    Raises:
        LookupError: There is none.
    """
    for module in ROLES.values():
        for mutant in import_module(module).MUTANTS:
            if mutant.name == name:
                return mutant
    raise LookupError(f"No planted bug is called {name!r}.")
