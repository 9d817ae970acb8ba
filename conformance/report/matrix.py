"""Several reports side by side: one HTML file, checks × targets, what is wrong first; no script, no network."""

from collections.abc import Mapping, Sequence
from typing import Any

from conformance.check import VERDICTS
from conformance.report import html
from conformance.report.terminal import LEGEND, SYMBOLS, is_bad

_SHOWN = ("fail", "error", "warn", "pass", "not-applicable", "blocked")
_WORDS: dict[str, str] = {verdict: verdict for verdict in VERDICTS} | {"not-applicable": "n/a"}
_OUTCOMES = {0: "conforms", 1: "does not conform"}
Result = Mapping[str, Any]


def render(documents: Sequence[Mapping[str, Any]]) -> str:
    """The page. What a target said is text in it, never markup."""
    labels = names(documents)
    rows = table(documents)
    bad = [row for row in rows if row["bad"]]
    return (
        html.environment()
        .get_template("matrix.html")
        .render(
            targets=[_target(label, document) for label, document in zip(labels, documents, strict=True)],
            rows=rows,
            problems=sorted(bad, key=lambda row: (row["hardening"], _gravity(row["worst"]), -len(row["bad"]))),
            groups=html.groups(rows),
            verdicts=[verdict for verdict in _SHOWN if any(document["summary"][verdict] for document in documents)],
            symbols=SYMBOLS,
            words=_WORDS,
            legend=LEGEND,
        )
    )


def names(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """What each target is called: its label if the report has one, else its URL."""
    return [str(document.get("label") or document["target"]) for document in documents]


def table(documents: Sequence[Mapping[str, Any]]) -> list[Result]:
    """A row for each check of any report: what is said of it, a cell for each target, the bad ones apart."""
    labels = names(documents)
    found = [{result["check"]: result for result in document["results"]} for document in documents]
    checks = dict.fromkeys(check for results in found for check in results)
    return [_row(labels, [results.get(check) for results in found]) for check in checks]


def _row(labels: Sequence[str], cells: Sequence[Result | None]) -> Result:
    present = [(label, cell) for label, cell in zip(labels, cells, strict=True) if cell is not None]
    bad = sorted((pair for pair in present if is_bad(pair[1])), key=lambda pair: _gravity(pair[1]["verdict"]))
    worst = bad[0][1]["verdict"] if bad else "pass"
    return {**present[0][1], "cells": cells, "bad": bad, "worst": worst}


def _gravity(verdict: str) -> int:
    return [str(known) for known in VERDICTS].index(verdict)


def _target(label: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    about: Mapping[str, Any] = document.get("about") or {}
    return {
        "label": label,
        "title": about.get("title") or ("" if label == document["target"] else document["target"]),
        "packages": about.get("packages", ""),
        "revision": document["revision"],
        "outcome": _OUTCOMES.get(document["verdict"]["exit_code"], "not judged"),
        "good": document["verdict"]["exit_code"] == 0,
        "summary": document["summary"],
    }
