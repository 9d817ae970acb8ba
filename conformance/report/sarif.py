"""The report as SARIF 2.1.0: what code hosts show as findings of an analysis."""

import json
from collections.abc import Mapping
from typing import Any

from conformance.report.links import first_link

_LEVELS = {"fail": "error", "blocked": "error", "error": "error", "warn": "warning", "info": "note"}


def render(document: Mapping[str, Any]) -> str:
    """One run: a rule for each check, a result for each that is not fine."""
    results = document["results"]
    run = {
        "tool": {
            "driver": {
                "name": document["tool"]["name"],
                "version": document["tool"]["version"],
                "rules": [_rule(result) for result in results],
            }
        },
        "invocations": [{"executionSuccessful": document["verdict"]["exit_code"] in (0, 1)}],
        "results": [_finding(result, document["target"]) for result in results if _is_finding(result)],
        "properties": {"target": document["target"], "revision": document["revision"]},
    }
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _is_finding(result: Mapping[str, Any]) -> bool:
    return result["verdict"] in ("fail", "warn", "info", "error") or result["counts"]


def _rule(result: Mapping[str, Any]) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": result["check"],
        "shortDescription": {"text": result["title"]},
        "fullDescription": {"text": " ".join(result["texts"])},
        "help": {"text": f"{result['why']} {result['fix']}".strip()},
        "properties": {"requirements": result["requirements"], "level": result["level"]},
    }
    link = first_link(result["refs"])
    return rule | ({"helpUri": link} if link else {})


def _finding(result: Mapping[str, Any], target: str) -> dict[str, Any]:
    words = f"Expected {result['expected']}. Received {result['received']}."
    return {
        "ruleId": result["check"],
        "level": _LEVELS.get(result["verdict"], "note"),
        "message": {"text": words},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": target}},
                "logicalLocations": [{"fullyQualifiedName": result["check"]}],
            }
        ],
        "partialFingerprints": {"check/v1": result["check"]},
    }
