"""Writes `docs/parity.md`: which behaviours of AWS we rely on, and what proves each. `python docs/parity.py`.

Rows name the tests that show them; where a test lies says what it proves. CI runs every test, so nobody types a label.
"""

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SECTIONS = {
    "The user-pool domain": ROOT / "mcp_demo" / "local" / "domain" / "parity.toml",
    "Stacks and registration": ROOT / "infrastructure" / "parity.toml",
}
_HEAD = """\
# What is proven where

Every behaviour of AWS that we rely on: what AWS documents, what the embedded AWS (MiniStack 1.5.33) does by itself, and
what our local user-pool domain, a stand-in, does. The label follows from the tests that the row names: they run on the
embedded AWS itself, or on our stand-in over it. **Nothing here was run against AWS**, so a row without a test is
*documented, unproven*.

Made by `make parity`; a test compares it with the rows and the tests.
"""


def tests() -> dict[str, Path]:
    """The files of all test functions, by name."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return {name: file for file in files for name in re.findall(r"def (test_\w+)\(", file.read_text(encoding="utf-8"))}


def render() -> str:
    """The table as Markdown.

    Raises:
        KeyError: A row names a test that there is not.
    """
    return "\n".join((_HEAD, *_lines(tests())))


def _lines(known: Mapping[str, Path]) -> Iterator[str]:
    for title, file in SECTIONS.items():
        yield f"## {title}\n"
        yield "| Behaviour | AWS documents | MiniStack | Our stand-in | Proven by |"
        yield "|---|---|---|---|---|"
        for row in tomllib.loads(file.read_text(encoding="utf-8"))["behaviour"]:
            documented = f"{row['aws']} ({row['page']})"
            cells = (row["title"], documented, row["ministack"], row["ours"], _proof(row, known))
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
        yield ""


def _proof(row: Mapping[str, Any], known: Mapping[str, Path]) -> str:
    if not row["tests"]:
        return "*documented, unproven*"
    stand_in = any("domain" in known[test].stem for test in row["tests"])
    label = "proven on our stand-in" if stand_in else "proven on the emulator"
    links = (f"[`{test}`](../{known[test].relative_to(ROOT).as_posix()})" for test in row["tests"])
    return f"**{label}**: " + ", ".join(links)


if __name__ == "__main__":
    target = ROOT / "docs" / "parity.md"
    target.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"{target} written\n")
