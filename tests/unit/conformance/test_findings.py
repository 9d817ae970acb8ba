"""Known targets: what is recorded is explained, and nothing else is; records hold nothing of the day."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from conformance import catalogue, report
from conformance.targets import findings, record
from conformance.targets.known import HERE, TARGETS, Known

_SCHEMA: dict[str, Any] = json.loads((Path(report.__file__).parent / "schema-1.json").read_text(encoding="utf-8"))

every_target = pytest.mark.parametrize("known", TARGETS, ids=lambda known: known.name)


def test_every_problem_that_is_recorded_is_explained_and_nothing_else_is() -> None:
    assert findings.explained() == findings.recorded()


def test_an_explanation_that_is_missing_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "findings.md"
    text = findings.PAGE.read_text(encoding="utf-8")
    page.write_text(text.replace("### `rs.challenge.grammar`", "### Grammar"), encoding="utf-8")
    assert findings.recorded() - findings.explained(page) == {("mcp-auth", "rs.challenge.grammar")}


def test_the_table_is_the_one_of_the_records(tmp_path: Path) -> None:
    page = tmp_path / "findings.md"
    page.write_text(findings.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    findings.write_table(page)
    assert page.read_text(encoding="utf-8") == findings.PAGE.read_text(encoding="utf-8")


@every_target
def test_a_record_is_a_report_of_the_committed_schema(known: Known) -> None:
    validator: Any = Draft202012Validator(_SCHEMA)
    validator.validate(record.read(known))


@every_target
def test_a_record_names_checks_that_exist(known: Known) -> None:
    assert {result["check"] for result in record.read(known)["results"]} <= {check.id for check in catalogue.load()}


@every_target
def test_a_record_holds_no_failure_of_the_suite_and_no_problem_that_nobody_can_explain(known: Known) -> None:
    results = record.read(known)["results"]
    assert [result["check"] for result in results if result["verdict"] == "error"] == []
    assert [result["check"] for result in results if result["counts"] and result["verdict"] == "blocked"] == []


@every_target
def test_a_record_holds_nothing_of_the_day_and_no_secret(known: Known) -> None:
    text = record.path(known).read_text(encoding="utf-8")
    ports = {int(port) for port in re.findall(r"localhost:(\d+)", text, re.IGNORECASE)}
    assert ports <= {*range(3000, 3005), 4566, 4567, 49153, 61023}
    assert "eyJ" not in text
    assert not re.search(r"us-east-1_(?!Example)", text)


def test_what_a_recipe_needs_is_pinned() -> None:
    for recipe in HERE.glob("*.py"):
        for line in re.findall(r"^# dependencies = (.*)$", recipe.read_text(encoding="utf-8"), re.MULTILINE):
            assert all("==" in requirement for requirement in json.loads(line)), recipe
    packages = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in packages.values())
    assert "resolved" not in (HERE / "package-lock.json").read_text(encoding="utf-8")
