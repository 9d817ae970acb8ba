"""A badge for a README, in the form that shields.io reads (`endpoint` badge, schema 1)."""

import json
from collections.abc import Mapping
from typing import Any


def render(document: Mapping[str, Any]) -> str:
    """How many of the judged MUSTs hold, and how many were not judged."""
    musts = [result for result in document["results"] if result["level"].startswith("MUST") and not result["hardening"]]
    verdicts = [result["verdict"] for result in musts]
    judged = [verdict for verdict in verdicts if verdict in ("pass", "fail", "warn")]
    open_ones = verdicts.count("blocked")
    rest = f", {open_ones} not judged" if open_ones else ""
    code = document["verdict"]["exit_code"]
    colour = {0: "brightgreen", 1: "red"}.get(code, "lightgrey")
    message = f"{judged.count('pass')}/{len(judged)} MUST{rest}" if code in (0, 1) else "not judged"
    badge = {"schemaVersion": 1, "label": f"MCP auth {document['revision']}", "message": message, "color": colour}
    return json.dumps(badge) + "\n"
