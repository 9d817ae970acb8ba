"""What a run found: a verdict per check with its evidence, and what follows for the exit code."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from conformance.check import Check, Verdict
from conformance.preflight import Finding
from conformance.requirements import Level, Requirement
from conformance.target import Capability
from mcp_demo.exchange.model import Exchange

Baseline = Literal["expected", "stale"]


@dataclass(frozen=True, slots=True)
class Result:
    """The verdict of one check.

    Args:
        check: The check.
        requirements: Those of its requirements that apply in this revision.
        level: The strictest level among them.
        verdict: The verdict.
        received: What was observed, in plain words.
        missing: The capability for want of which it is blocked.
        exchanges: The evidence; the most telling ones first.
        seconds: How long it took.
        baseline: Whether the baseline expects a problem here, or wrongly does.
    """

    check: Check[Any]
    requirements: tuple[Requirement, ...]
    level: Level
    verdict: Verdict
    received: str
    missing: Capability | None = None
    exchanges: tuple[Exchange, ...] = ()
    seconds: float = 0.0
    baseline: Baseline | None = None

    @property
    def hardening(self) -> bool:
        """Whether nothing that MCP demands is at stake; such results are reported apart."""
        return all(requirement.basis == "hardening" for requirement in self.requirements)

    @property
    def is_problem(self) -> bool:
        """Whether something is wrong with the target."""
        return self.verdict in ("fail", "warn")

    @property
    def unproven(self) -> bool:
        """Whether it was blocked by something other than a capability that nobody gave."""
        return self.verdict == "blocked" and self.missing is None

    def fails(self, *, strict: bool) -> bool:
        """Whether the run fails because of it."""
        if self.baseline is not None:
            return self.baseline == "stale"
        if self.verdict == "warn" or self.hardening:
            return strict and self.is_problem
        return self.verdict == "fail" or self.unproven


@dataclass(frozen=True, slots=True)
class Report:
    """All results of a run."""

    url: str
    revision: str
    results: tuple[Result, ...]
    preflight: tuple[Finding, ...]
    started: float
    seconds: float
    requests: int
    capabilities: frozenset[Capability] = frozenset()
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    strict: bool = False

    @property
    def summary(self) -> Mapping[str, int]:
        """How many results have each verdict."""
        return Counter(result.verdict for result in self.results)

    @property
    def exit_code(self) -> int:
        """0 conforms · 1 it does not · 3 a failure of ours · 4 the target cannot be judged · 5 nothing was selected."""
        if any(finding.state == "stop" for finding in self.preflight):
            return 4
        if not self.results:
            return 5
        if any(result.verdict == "error" for result in self.results):
            return 3
        return 1 if any(result.fails(strict=self.strict) for result in self.results) else 0

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        code = self.exit_code
        judged = [result for result in self.results if result.verdict in ("pass", "fail", "warn", "info")]
        wrong = [result for result in self.results if result.fails(strict=self.strict)]
        without = sum(result.missing is not None for result in self.results)
        rest = f" {without} more need capabilities that were not given." if without else ""
        if code == 4:
            return "Cannot be judged: see the preflight."
        if code == 5:
            return "Nothing was selected."
        if code == 3:
            return "The suite itself failed in places: see the results marked error."
        if code == 1:
            return f"Does not conform to MCP {self.revision}: {len(wrong)} of {len(self.results)} checks say why.{rest}"
        if not judged:
            return f"Nothing could be judged.{rest}"
        return f"Nothing found against MCP {self.revision} in {len(judged)} checks.{rest}"
