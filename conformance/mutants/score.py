"""The mutation score: `python -m conformance.mutants.score docs/mutation-score.md`; exit code 1 unless all is found."""

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from conformance.mutants import ROLES, matrix_of
from conformance.mutants.planted import Planted, is_killed

Row = tuple[Planted, Mapping[str, str]]
"""A bug, and what the checks say that turned red with it."""

_HEAD = """# Mutation score

Each check of the conformance suite has to turn red on bugs that are planted for it, and no other check may turn red
with them, except those declared beside the bug. Bugs are a few lines in front of the reference system
(`conformance/mutants/`). Made by `python -m conformance.mutants.score docs/mutation-score.md`.
"""
_EVERYTHING = 20


def main() -> int:
    """Judge every bug of every role, print the score, and write the tables if a file is named."""
    rows = {role: list(_judged(role)) for role in ROLES}
    text = "\n".join(f"{role}: {sentence(found)}" for role, found in rows.items())
    sys.stdout.write(f"{text}\n")
    if len(sys.argv) > 1:
        tables = "".join(f"\n## {role}\n\n**{sentence(found)}**\n\n{table(found)}" for role, found in rows.items())
        Path(sys.argv[1]).write_text(_HEAD + tables, encoding="utf-8")
    return 0 if all(is_killed(*row) for found in rows.values() for row in found) else 1


def _judged(role: str) -> Iterator[Row]:
    """Every bug of a role, judged on all cores."""
    mutants: Sequence[Planted] = matrix_of(role).MUTANTS
    with ProcessPoolExecutor(initializer=logging.disable, initargs=(logging.CRITICAL,)) as pool:
        found = pool.map(_red, [role] * len(mutants), range(len(mutants)))
        for number, row in enumerate(zip(mutants, found, strict=True), 1):
            if number % 10 == 0 or number == len(mutants):
                sys.stderr.write(f"{role}: {number} of {len(mutants)}\n")
            yield row


def _red(role: str, index: int) -> dict[str, str]:
    matrix = matrix_of(role)
    return dict(matrix.red(matrix.MUTANTS[index]))


def sentence(rows: Sequence[Row]) -> str:
    """Killed and planted, in words."""
    killed = sum(is_killed(*row) for row in rows)
    return f"{killed} of {len(rows)} planted bugs are found by the check that claims them, and by no undeclared other."


def table(rows: Sequence[Row]) -> str:
    """All bugs, by the check that finds them."""
    lines = ["| Check | Bug | Found | Rightly red too |", "|---|---|---|---|"]
    for mutant, found in sorted(rows, key=lambda row: (row[0].check, row[0].name)):
        verdict = "yes" if is_killed(mutant, found) else f"NO: {', '.join(sorted(found)) or 'nothing'}"
        lines.append(f"| `{mutant.check}` | `{mutant.name}`: {mutant.bug} | {verdict} | {_also(mutant)} |")
    return "\n".join(lines) + "\n"


def _also(mutant: Planted) -> str:
    if len(mutant.also) > _EVERYTHING:
        return f"{len(mutant.also)} checks, for nothing works any more"
    return ", ".join(f"`{name}`" for name in sorted(mutant.also))


if __name__ == "__main__":
    sys.exit(main())
