"""The forms of the report. Each is made from the one redacted document (`conformance.document`)."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from conformance.report import badge, html, junit, sarif

FORMS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "json": lambda document: json.dumps(document, indent=2, ensure_ascii=False) + "\n",
    "html": html.render,
    "junit": junit.render,
    "sarif": sarif.render,
    "badge": badge.render,
}
"""Name of a form to the function that makes it."""


def write(document: Mapping[str, Any], form: str, path: Path) -> None:
    """Write one form of the report to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(FORMS[form](document), encoding="utf-8")
