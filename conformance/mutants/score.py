"""The mutation score: `python -m conformance.mutants.score docs/mutation-score.md`; exit code 1 unless all is found."""

import logging
import sys
from collections.abc import Iterable
from pathlib import Path

from conformance.mutants.matrix import MUTANTS, red
from conformance.mutants.plant import Mutant

_HEAD = """# Mutation score

Each check of the conformance suite has to turn red on bugs that are planted for it, and no other check may turn red
with them, except those declared beside the bug. Bugs are a few lines in front of the reference server
(`conformance/mutants/`). Made by `python -m conformance.mutants.score docs/mutation-score.md`.

"""


def main() -> int:
    """Judge every mutant, print the score, and write the table if a file is named."""
    logging.disable(logging.CRITICAL)  # the server complains of the key outages that are part of the play
    rows = [(mutant, red(mutant).keys()) for mutant in MUTANTS]
    killed = sum(is_killed(mutant, found) for mutant, found in rows)
    score = f"{killed} of {len(rows)} planted bugs are found by the check that claims them, and by no other."
    sys.stdout.write(f"{score}\n")
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(f"{_HEAD}**{score}**\n\n{table(rows)}", encoding="utf-8")
    return 0 if killed == len(rows) else 1


def is_killed(mutant: Mutant, found: Iterable[str]) -> bool:
    """Whether exactly the right checks turned red."""
    return set(found) == {mutant.check} | mutant.also


def table(rows: "Iterable[tuple[Mutant, Iterable[str]]]") -> str:
    """All bugs, by the check that finds them."""
    lines = ["| Check | Bug | Found | Rightly red too |", "|---|---|---|---|"]
    for mutant, found in sorted(rows, key=lambda row: (row[0].check, row[0].name)):
        verdict = "yes" if is_killed(mutant, found) else f"NO: {', '.join(sorted(found)) or 'nothing'}"
        also = ", ".join(f"`{name}`" for name in sorted(mutant.also))
        lines.append(f"| `{mutant.check}` | `{mutant.name}`: {mutant.bug} | {verdict} | {also} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
