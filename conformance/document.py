"""The report as one JSON document, redacted: what all other forms of the report are made from.

Its schema is `report/schema-1.json`; members may be added without a new number, but none is removed or changed.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

from conformance.check import VERDICTS, Check
from conformance.requirements import Requirement
from conformance.result import Report, Result
from mcp_demo.exchange import wire
from mcp_demo.exchange.redact import redact_json, redact_url

SCHEMA_VERSION = 1
ROLES = {"resource-server": "rs", "authorization-server": "as", "client": "client"}


def build(report: Report) -> dict[str, Any]:
    """The document of a run. Everything in it has been through the redactor."""
    document: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "tool": {"name": "mcp-demo conformance", "version": _version()},
        "target": redact_url(report.url),
        "revision": report.revision,
        "started": datetime.fromtimestamp(report.started, UTC).isoformat(timespec="seconds"),
        "seconds": round(report.seconds, 2),
        "requests": report.requests,
        "capabilities": sorted(report.capabilities),
        "verdict": {"exit_code": report.exit_code, "text": report.sentence, "strict": report.strict},
        "summary": {verdict: report.summary.get(verdict, 0) for verdict in VERDICTS},
        "roles": _by_role(report.results),
        "preflight": [{"name": item.name, "status": item.state, "text": item.text} for item in report.preflight],
        "results": [result_of(result, strict=report.strict) for result in report.results],
    }
    return cast("dict[str, Any]", redact_json(document))


def result_of(result: Result, *, strict: bool = False) -> dict[str, Any]:
    """One result, redacted."""
    check = result.check
    document = {
        **describe(check, result.requirements),
        "level": result.level,
        "verdict": result.verdict,
        "hardening": result.hardening,
        "counts": result.fails(strict=strict),
        "received": result.received,
        "missing": result.missing,
        "baseline": result.baseline,
        "seconds": round(result.seconds, 3),
        "reproduce": _again(check),
        "exchanges": json.loads(wire.to_json(result.exchanges)),
    }
    return cast("dict[str, Any]", redact_json(document))


def _again(check: Check[Any]) -> str:
    if check.role == "client":
        return f"mcp-demo conformance client --select {check.id} -v -- COMMAND"
    return f"mcp-demo conformance run URL --select {check.id} -v"


def describe(check: Check[Any], requirements: Iterable[Requirement] | None = None) -> dict[str, Any]:
    """What there is to know of a check without running it; of its requirements, all or those that apply."""
    judged = tuple(check.requirements if requirements is None else requirements)
    return {
        "check": check.id,
        "role": check.role,
        "topic": check.id.split(".")[1],
        "title": check.title,
        "requirements": [requirement.id for requirement in judged],
        "refs": [requirement.source for requirement in judged],
        "texts": [requirement.text for requirement in judged],
        "expected": check.expected,
        "why": check.why,
        "fix": check.fix,
        "cognito": check.cognito,
        "needs": sorted(check.needs),
        "excluded": check.excluded,
    }


def _by_role(results: Iterable[Result]) -> Mapping[str, Mapping[str, int]]:
    counted: dict[str, Counter[str]] = {}
    for result in results:
        key = "hardening" if result.hardening else result.check.role
        counted.setdefault(key, Counter())[result.verdict] += 1
    return {key: dict(counts) for key, counts in counted.items()}


def _version() -> str:
    try:
        return version("mcp-demo")
    except PackageNotFoundError:
        return "unknown"
