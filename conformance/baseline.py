"""What is known to be wrong with a target, so that only news fails a run; what has become right again fails it too."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

import yaml

from conformance.result import Report, Result
from mcp_demo.errors import SetupError

_MEMBERS = {"id", "target", "reason", "issue", "since"}


@dataclass(frozen=True, slots=True)
class Known:
    """One known problem.

    Args:
        id: The check.
        reason: Why it is lived with.
        target: The URL it is known of; `*` stands for any part of it.
        issue: Where it is tracked.
        since: When it was written down.
    """

    id: str
    reason: str
    target: str = "*"
    issue: str = ""
    since: str = ""


def read(path: Path, known_ids: Iterable[str]) -> tuple[Known, ...]:
    """The rows of a baseline file.

    Raises:
        SetupError: It cannot be read, a row is malformed, or names a check that does not exist.
    """
    cure = "Each row has id and reason, and may have target, issue and since."
    try:
        document: object = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SetupError(f"The baseline {path} cannot be read: {' '.join(str(error).split())}.", cure) from None
    rows = cast("list[object]", document) if isinstance(document, list) else [document]
    ids = frozenset(known_ids)
    return tuple(_known(row, ids, path, cure) for row in rows)


def _known(row: object, ids: frozenset[str], path: Path, cure: str) -> Known:
    members = cast("dict[str, Any]", row) if isinstance(row, dict) else {}
    if not {"id", "reason"} <= members.keys() <= _MEMBERS:
        raise SetupError(f"The baseline {path} has a malformed row: {row}.", cure)
    known = Known(**{name: str(value) for name, value in members.items()})
    if known.id not in ids:
        raise SetupError(f"The baseline {path} names a check that does not exist: {known.id}.", "Correct its id.")
    return known


def apply(report: Report, known: Iterable[Known]) -> Report:
    """The report with known problems marked as expected, and rows that no longer hold as stale."""
    rows = {row.id: row for row in known if fnmatchcase(report.url, row.target)}
    return replace(report, results=tuple(_marked(result, rows) for result in report.results))


def _marked(result: Result, rows: Mapping[str, Known]) -> Result:
    if result.check.id not in rows:
        return result
    if result.verdict in ("fail", "warn") or result.unproven:
        return replace(result, baseline="expected")
    return replace(result, baseline="stale") if result.verdict == "pass" else result


def draft(document: Mapping[str, Any]) -> str:
    """A baseline that lists the problems of a report, for its owner to give reasons."""
    rows = [
        {
            "id": result["check"],
            "target": document["target"],
            "reason": f"TODO: {result['received']}",
            "since": document["started"][:10],
        }
        for result in document["results"]
        if result["verdict"] in ("fail", "warn")
    ]
    return yaml.safe_dump(rows, sort_keys=False, allow_unicode=True, width=120) if rows else "[]\n"
