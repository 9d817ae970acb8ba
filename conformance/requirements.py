"""The catalogue, `requirements.yaml`, as data: which requirements apply in a revision, and how strictly."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

Role = Literal["resource-server", "authorization-server", "client"]
Level = Literal["MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY"]

SERVER_ROLES: tuple[Role, ...] = ("resource-server", "authorization-server")
"""The roles that a URL is judged by; a client is a command."""

REVISIONS = ("2025-06-18", "2025-11-25", "2026-07-28")
LATEST = REVISIONS[-1]
STRICTEST_FIRST: tuple[Level, ...] = ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One checkable sentence of a specification; the head of `requirements.yaml` explains the members."""

    id: str
    role: Role
    level: Level
    basis: Literal["mcp", "mcp-ref", "hardening"]
    text: str
    source: str
    since: str
    testable: str
    how: str
    violation: str
    until: str | None = None
    when: str | None = None
    note: str | None = None
    level_by_revision: Mapping[str, Level] | None = None
    upstream: tuple[str, ...] = ()

    def applies(self, revision: str) -> bool:
        """Whether the revision contains it."""
        return self.since <= revision and (self.until is None or revision <= self.until)

    def level_in(self, revision: str) -> Level:
        """How strict it is in a revision."""
        return (self.level_by_revision or {}).get(revision, self.level)


@cache
def load() -> Mapping[str, Requirement]:
    """All requirements by id."""
    import yaml  # here, for the command line shows its help without it

    text = Path(__file__).with_name("requirements.yaml").read_text(encoding="utf-8")
    rows = cast("list[dict[str, Any]]", yaml.safe_load(text))
    return {row["id"]: _requirement(row) for row in rows}


def _requirement(row: Mapping[str, Any]) -> Requirement:
    members = dict(row)
    members |= {name: value.strip() for name, value in row.items() if isinstance(value, str)}
    members["upstream"] = tuple(row.get("upstream", ()))
    return Requirement(**members)


def strictest(levels: Iterable[Level]) -> Level:
    """The strictest of some levels."""
    return min(levels, key=STRICTEST_FIRST.index)
