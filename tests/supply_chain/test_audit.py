"""An audit that could not look is not a good one."""

import json
from typing import Any

import pytest
from audit import verdict

_GOOD: dict[str, Any] = {"name": "a", "version": "1", "vulns": []}
_BAD: dict[str, Any] = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
_SKIPPED: dict[str, Any] = {"name": "c", "skip_reason": "Dependency not found and could not be audited: c (1)"}


@pytest.mark.parametrize(
    ("listed", "code", "words"),
    [
        ([_GOOD], 0, "No known vulnerabilities in 1 packages"),
        ([_GOOD, _BAD], 1, "b 2: PYSEC-1"),
        ([_BAD, _SKIPPED], 1, "b 2: PYSEC-1"),
        ([_SKIPPED, _SKIPPED], 4, "Not audited: 2 of 2"),
        ([_GOOD, _SKIPPED], 4, "Not audited: 1 of 2"),
        ([], 4, "Not audited"),
    ],
)
def test_only_what_was_looked_at_counts(listed: list[dict[str, Any]], code: int, words: str) -> None:
    found = verdict(json.dumps({"dependencies": listed, "fixes": []}))
    assert found[0] == code
    assert words in found[1]


@pytest.mark.parametrize("text", ["", "Traceback", "[]", "{}", "null"])
def test_a_tool_that_fails_has_not_audited(text: str) -> None:
    assert verdict(text)[0] == 4
