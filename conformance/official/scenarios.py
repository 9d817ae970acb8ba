"""Which scenarios a revision asks for, and running one of them over our client.

The suite can run a whole set by itself, but starts all of it at once. Here each scenario is a run of its own, a few at
a time. That is kinder to small machines, and stricter: a warning, a timeout or a bad exit status fails it too.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import yaml

from conformance.official.node import Toolchain

REVISIONS = ("2025-11-25", "2026-07-28")
CLIENT = f"{sys.executable} -m conformance.official_client"
_ROOT = Path(__file__).parents[2]
_SCENARIO_DEADLINE = 60
_SLACK = 30


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario at the wire of one revision; `kind` is "required", or why it is not scored."""

    revision: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a scenario."""

    scenario: Scenario
    passed: int
    failed: int
    warnings: int
    note: str = ""

    @property
    def is_good(self) -> bool:
        """Whether every check passed, and the client ended well."""
        return not self.failed and not self.warnings and not self.note and self.passed > 0


def scenarios(tools: Toolchain, revision: str) -> list[Scenario]:
    """The client scenarios of a requirement set: what it requires, then what it runs without scoring it."""
    file = tools.suite / "requirements" / f"{revision}.yaml"
    members = cast("dict[str, Any]", yaml.safe_load(file.read_text(encoding="utf-8")))
    required = [Scenario(revision, name, "required") for name in members["client"]]
    others = [row for row in members["not_scored"] if row["leg"] == "client"]
    return required + [Scenario(revision, row["scenario"], row["reason"]) for row in others]


def run_all(
    tools: Toolchain, chosen: Sequence[Scenario], say: Callable[[Outcome], None], at_once: int = 2
) -> list[Outcome]:
    """Run scenarios, a few at a time, telling of each as it ends; in the order given."""
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        outcomes: list[Outcome] = []
        for outcome in pool.map(partial(run, tools), chosen):
            say(outcome)
            outcomes.append(outcome)
    return outcomes


def run(tools: Toolchain, scenario: Scenario, client: str = CLIENT) -> Outcome:
    """Run one scenario over our client, or another."""
    with tempfile.TemporaryDirectory(prefix="mcp-official-") as folder:
        command = tools.command(
            *("client", "--command", client, "--scenario", scenario.name, "--spec-version", scenario.revision),
            *("--force", "--timeout", str(_SCENARIO_DEADLINE * 1000), "--output-dir", folder),
        )
        try:
            done = subprocess.run(
                command,
                cwd=_ROOT,
                env={**os.environ, "NO_COLOR": "1"},
                capture_output=True,
                text=True,
                timeout=_SCENARIO_DEADLINE + _SLACK,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Outcome(scenario, 0, 0, 0, "the suite did not end")
        return outcome_of(scenario, checks_in(Path(folder)), done.returncode)


def checks_in(folder: Path) -> list[dict[str, Any]]:
    """The checks that the suite wrote into its result folder."""
    return [check for file in folder.rglob("checks.json") for check in json.loads(file.read_text(encoding="utf-8"))]


def outcome_of(scenario: Scenario, checks: Iterable[dict[str, Any]], status: int) -> Outcome:
    """What checks and exit status say together."""
    verdicts = list(checks)
    counts = Counter(check["status"] for check in verdicts)
    bad = sorted({check["id"] for check in verdicts if check["status"] in ("FAILURE", "WARNING")})
    note = ", ".join(bad) or ("" if status == 0 else f"exit status {status}")
    return Outcome(scenario, counts["SUCCESS"], counts["FAILURE"], counts["WARNING"], note)
