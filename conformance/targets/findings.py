"""docs/findings.md: its table is written by the run, its explanations by hand; both have to name the same checks."""

import re
from collections.abc import Iterable
from pathlib import Path

from conformance.targets import record
from conformance.targets.known import HERE, TARGETS

PAGE = HERE.parents[1] / "docs" / "findings.md"
_TABLE = re.compile(r"(<!-- table: begin[^>]*-->\n).*?(<!-- table: end -->)", re.DOTALL)
_HEADING = re.compile(r"^## `(?P<target>[a-z-]+)`", re.MULTILINE)
_EXPLAINED = re.compile(r"^### (?P<checks>`.*`)\s*$", re.MULTILINE)
_COLUMNS = ("fail", "warn", "pass", "not-applicable", "blocked")


def write_table(page: Path = PAGE) -> None:
    """Renew the table at the top of the page."""
    text = page.read_text(encoding="utf-8")
    page.write_text(_TABLE.sub(lambda match: f"{match[1]}{table()}{match[2]}", text), encoding="utf-8")


def table() -> str:
    """The table of all recorded results."""
    rows = [
        "| Target | Packages | Judged by | ✗ fail | ! warn | ✓ pass | – n/a | ■ blocked |",
        "|---|---|---|--:|--:|--:|--:|--:|",
    ]
    for known in TARGETS:
        if not record.path(known).exists():
            rows.append(f"| `{known.name}` | {known.packages} | not run | | | | | |")
            continue
        found = record.read(known)
        counts = " | ".join(str(found["summary"][column]) for column in _COLUMNS)
        rows.append(f"| [`{known.name}`](#{known.name}) | {known.packages} | {found['revision']} | {counts} |")
    return "\n".join(rows) + "\n"


def explained(page: Path = PAGE) -> set[tuple[str, str]]:
    """Target and check of every explanation on the page: `## target`, below it `### check` or several of them."""
    text = page.read_text(encoding="utf-8")
    starts = [*_HEADING.finditer(text)]
    ends = [*(match.start() for match in starts[1:]), len(text)]
    return {
        (start["target"], check)
        for start, end in zip(starts, ends, strict=True)
        for match in _EXPLAINED.finditer(text, start.end(), end)
        for check in re.findall(r"`([^`]+)`", match["checks"])
    }


def recorded() -> set[tuple[str, str]]:
    """Target and check of every problem in the recorded results."""
    return {
        (known.name, result["check"]) for known in _with_records() for result in record.problems(record.read(known))
    }


def _with_records() -> Iterable[record.Known]:
    return (known for known in TARGETS if record.path(known).exists())
