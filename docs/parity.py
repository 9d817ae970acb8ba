"""Writes `docs/parity.md`: which behaviours of AWS we rely on, and what proves each. `python docs/parity.py`.

Rows name the tests that show them; what a test uses says what it proves. CI runs every test, so nobody types a label.
"""

import ast
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SECTIONS = {
    "The user-pool domain": ROOT / "mcp_demo" / "local" / "domain" / "parity.toml",
    "Stacks and registration": ROOT / "infrastructure" / "parity.toml",
}
# What a test uses that signs in at our stand-in for the user-pool domain: its modules, fixtures, browsers; and what we
# add to the emulator.
_STAND_IN = {
    "mcp_demo.local.domain", "mcp_demo.local.aws_types", "bridge_login", "running_harness", "Harness", "Browser",
    "browser", "context", "stack", "running_stack",
}  # fmt: skip
_HEAD = """\
# What is proven where

Every behaviour of AWS that we rely on: what AWS documents, what the embedded AWS (MiniStack 1.5.33) does by itself, and
what our local user-pool domain, a stand-in, does. The label follows from the tests that the row names: they run on the
embedded AWS itself, or on our stand-in over it. **Nothing here was run against AWS**, so a row without such a test is
*documented, not proven*; tests of a function by itself prove nothing about AWS.

Made by `make parity`; a test compares it with the rows and the tests.
"""


@dataclass(frozen=True, slots=True)
class Test:
    """A test function: where it is, and whether it runs on the embedded AWS, or on our stand-in over it."""

    file: Path
    emulator: bool
    stand_in: bool


def tests() -> dict[str, Test]:
    """All test functions, by name."""
    found: dict[str, Test] = {}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        alone = (ROOT / "tests" / "unit") in file.parents
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for name in (item.name for item in tree.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)):
            stand_in = not alone and any(_is_stand_in(used) for used in _uses(tree, name))
            found[name] = Test(file, not alone and not stand_in, stand_in)
    return found


def render() -> str:
    """The table as Markdown.

    Raises:
        KeyError: A row names a test that there is not.
    """
    return "\n".join((_HEAD, *_lines(tests())))


def _is_stand_in(used: str) -> bool:
    return used in _STAND_IN or used.startswith("mcp_demo.local.domain.")


def _uses(tree: ast.Module, test: str) -> set[str]:
    """The names that a function uses, itself or through others of its file, fixtures too, and where those come from."""
    definitions = {
        item.name: item for item in tree.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    imports = [item for item in ast.walk(tree) if isinstance(item, ast.ImportFrom)]
    sources = {alias.asname or alias.name: item.module or "" for item in imports for alias in item.names}
    found, todo = set[str](), [test]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        for node in ast.walk(definitions.get(name, ast.Pass())):
            if isinstance(node, ast.arg):
                todo.append(node.arg)  # a fixture, most often
            elif isinstance(node, ast.Name) and (node.id in definitions or node.id in sources):
                todo.append(node.id)
    return found | {sources[name] for name in found & sources.keys()}


def _lines(known: Mapping[str, Test]) -> Iterator[str]:
    for title, file in SECTIONS.items():
        yield f"## {title}\n"
        yield "| Behaviour | AWS documents | MiniStack | Our stand-in | Proven by |"
        yield "|---|---|---|---|---|"
        for row in tomllib.loads(file.read_text(encoding="utf-8"))["behaviour"]:
            documented = f"{row['aws']} ({row['page']})"
            cells = (row["title"], documented, row["ministack"], row["ours"], _proof(row, known))
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
        yield ""


def _proof(row: Mapping[str, Any], known: Mapping[str, Test]) -> str:
    named = {name: known[name] for name in row["tests"]}
    links = ", ".join(f"[`{name}`](../{test.file.relative_to(ROOT).as_posix()})" for name, test in named.items())
    if any(test.stand_in for test in named.values()):
        return f"**proven on our stand-in**: {links}"
    if any(test.emulator for test in named.values()):
        return f"**proven on the emulator**: {links}"
    return f"*documented, not proven*; our own part: {links}" if links else "*documented, not proven*"


if __name__ == "__main__":
    target = ROOT / "docs" / "parity.md"
    target.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"{target} written\n")
