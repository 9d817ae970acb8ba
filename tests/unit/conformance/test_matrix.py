"""Several targets on one page: what is wrong first, every verdict in words, nothing loaded and nothing run."""

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from conformance.cli import app
from conformance.report import matrix
from conformance.targets import record
from conformance.targets.known import TARGETS


@pytest.fixture(scope="module")
def documents() -> list[dict[str, Any]]:
    return [record.read(known) for known in TARGETS]


def test_what_is_wrong_comes_first_and_the_gravest_of_it_at_the_top(documents: list[dict[str, Any]]) -> None:
    page = matrix.render(documents)
    assert page.index('id="problems"') < page.index('id="matrix"')
    heads = re.findall(r'<h3><span class="tag ([a-z]+)">.*?<p>(.*?)</p>', page[: page.index('id="matrix"')], re.DOTALL)
    order = [("hardening" in below, ["fail", "error", "warn"].index(verdict)) for verdict, below in heads]
    assert len(order) > 10
    assert order == sorted(order)
    assert page.index('id="c-rs.bearer.malformed-request"') < page.index('id="c-rs.cors.expose"')


def test_every_check_has_a_cell_for_every_target_in_words(documents: list[dict[str, Any]]) -> None:
    page = matrix.render(documents)
    cells = page[page.index('id="matrix"') :]
    checks = {result["check"] for document in documents for result in document["results"]}
    rows = re.findall(r'<tr><th scope="row">.*?</tr>', cells, re.DOTALL)
    assert len(rows) == len(checks)
    assert {row.count("<td>") for row in rows} == {len(documents)}
    assert "✗ fail" in cells
    assert "✓ pass" in cells
    assert "not run" in cells


def test_every_link_leads_somewhere_on_the_page(documents: list[dict[str, Any]]) -> None:
    page = matrix.render(documents)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(re.findall(r'id="([^"]+)"', page))


def test_the_page_loads_nothing_runs_nothing_and_repeats_no_markup(documents: list[dict[str, Any]]) -> None:
    hostile = deepcopy(documents[0])
    hostile["label"] = "<script>alert(1)</script>"
    for result in hostile["results"]:
        result["received"] = '"><img src=x onerror=alert(1)>'
    page = matrix.render([hostile, documents[1]])
    assert "<script" not in page
    assert "<img" not in page
    assert not re.search(r'(src|href)="(?!#)', page)
    assert "default-src 'none'" in page


def test_targets_without_a_label_go_by_their_url(documents: list[dict[str, Any]]) -> None:
    plain = {name: value for name, value in documents[0].items() if name not in ("label", "about")}
    assert matrix.names([plain]) == [plain["target"]]
    assert plain["target"] in matrix.render([plain])


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    out = tmp_path / "matrix.html"
    files = [str(record.path(known)) for known in TARGETS]
    run = CliRunner().invoke(app, ["matrix", *files, "--html", str(out)])
    assert run.exit_code == 0, run.output
    assert out.read_text(encoding="utf-8").count('<section class="result"') > 10


@pytest.mark.parametrize(
    "content",
    [
        b"{}",
        b"[",
        b'{"schema": 7}',
        b'{"schema": 1}',
        b'{"schema": 1, "target": "x", "results": 3, "verdict": {}, "summary": [], "revision": ""}',
        b'{"schema": 1, "results": [{}]}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"schema": NaN}',
    ],
)
@pytest.mark.parametrize("command", ["matrix", "report", "baseline"])
def test_what_is_no_report_is_refused_in_words(command: str, content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_bytes(content)
    run = CliRunner().invoke(
        app, [command, str(file), *(["--html", str(tmp_path / "x")] if command == "matrix" else [])]
    )
    assert run.exit_code == 2, run.exception
    assert isinstance(run.exception, SystemExit), run.exception
    assert "Traceback" not in run.output


def test_a_report_with_one_broken_result_is_none(documents: list[dict[str, Any]], tmp_path: Path) -> None:
    broken = deepcopy(documents[0])
    broken["results"][0]["verdict"] = "splendid"
    file = tmp_path / "report.json"
    file.write_text(json.dumps(broken), encoding="utf-8")
    run = CliRunner().invoke(app, ["matrix", str(file), "--html", str(tmp_path / "x")])
    assert run.exit_code == 2
    assert "results.0.verdict" in run.output
