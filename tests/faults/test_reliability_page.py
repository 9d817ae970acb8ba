"""docs/reliability.md names a test for each thing it says; each of these tests exists."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\)")


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_each_test_that_the_page_names_exists() -> None:
    named = NAMED.findall((ROOT / "docs" / "reliability.md").read_text(encoding="utf-8"))
    assert len(named) > 30
    known = {path: functions_of(ROOT / path) for _, path in named}
    assert [(name, path) for name, path in named if name not in known[path]] == []


def test_each_fault_of_the_page_has_a_proof() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    section = page.partition("\n## Faults\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    faults = [row for row in rows if not row.startswith(("| Fault", "| ---"))]
    assert len(faults) > 20
    assert [row for row in faults if not NAMED.search(row)] == []
