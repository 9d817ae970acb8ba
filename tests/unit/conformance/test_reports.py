"""Each form of the report can be read back, says the same, and shows no secret."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import jsonschema  # pyright: ignore[reportMissingTypeStubs]
import pytest

from conformance import baseline, catalogue, document
from conformance.catalogue import Selection
from conformance.mutants.matrix import MUTANTS, judge_wrapped
from conformance.report import FORMS, terminal
from conformance.result import Report
from conformance.run import judge
from conformance.session import Session
from conformance.target import Target
from mcp_demo.errors import SetupError

_URL = "http://localhost:1/mcp"
_TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJwbGFudGVkLXN1YmplY3QifQ.cGxhbnRlZC1zaWduYXR1cmU"
_SECRETS = (_TOKEN, "planted-signature-0123456789", "planted-session-0123456789", "Planted-Password-1")
_CHECKS = Selection(roles=("resource-server",)).of(catalogue.load())


def _leaky(request: httpx.Request) -> httpx.Response:
    """A server that puts secrets and markup wherever it can."""
    members = {"access_token": _TOKEN, "client_secret": _SECRETS[1], "password": _SECRETS[3], "resource": f"x{_TOKEN}"}
    headers = {
        "content-type": "application/json",
        "set-cookie": f"session={_SECRETS[2]}",
        "location": f"https://x.example/?code={_SECRETS[1]}",
        "www-authenticate": f'Bearer error="<script>alert(1)</script>", error_description="bad {_TOKEN}"',
    }
    code = 200 if "well-known" in request.url.path else 403
    return httpx.Response(code, headers=headers, text=json.dumps(members))


def _report(answer: Callable[[httpx.Request], httpx.Response] = _leaky) -> Report:
    target = Target(_URL, token=_TOKEN)
    return judge(target, _CHECKS, session=Session(target, transport=httpx.MockTransport(answer)))


@pytest.fixture(scope="module")
def leaky() -> dict[str, Any]:
    return document.build(_report())


@pytest.fixture(scope="module")
def buggy() -> dict[str, Any]:
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "hints_empty_scope")
    return document.build(judge_wrapped(mutant.wrap))


class _Lines:
    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False


def _on_terminal(report: dict[str, Any], *, verbose: bool = False) -> str:
    out = _Lines()
    screen = terminal.Terminal(out, verbose=verbose)  # pyright: ignore[reportArgumentType]
    screen.preflight(report["preflight"])
    for number, result in enumerate(report["results"], 1):
        screen.result(number, len(report["results"]), result)
    screen.summary(report, ["report.html"])
    return out.text


@pytest.mark.parametrize("form", [*FORMS, "terminal"])
def test_no_form_shows_a_planted_secret(form: str, leaky: dict[str, Any]) -> None:
    text = _on_terminal(leaky, verbose=True) if form == "terminal" else FORMS[form](leaky)
    assert [secret for secret in _SECRETS if secret in text or secret.split(".")[-1] in text] == []


def test_the_json_follows_its_schema(leaky: dict[str, Any], buggy: dict[str, Any]) -> None:
    schema = json.loads(
        Path(document.__file__).with_name("report").joinpath("schema-1.json").read_text(encoding="utf-8")
    )
    for report in (leaky, buggy):
        jsonschema.validate(json.loads(FORMS["json"](report)), schema)  # pyright: ignore[reportUnknownMemberType]
        assert sum(report["summary"].values()) == len(report["results"])


def test_the_html_loads_nothing_runs_nothing_and_repeats_no_markup(leaky: dict[str, Any]) -> None:
    page = FORMS["html"](leaky)
    assert "<script" not in page
    assert not re.search(r"<(?:img|link|iframe|object|embed|form)\b|\bsrc=|@import|url\(", page)
    assert "default-src 'none'" in page
    targets: set[str] = set()
    links: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found = dict(attrs)
            targets.add(found.get("id") or "")
            assert not [name for name in found if name.startswith("on")]
            if tag == "a":
                links.add(found.get("href") or "")

    Reader().feed(page)
    assert {link[1:] for link in links if link.startswith("#")} <= targets
    assert all(link.startswith(("#", "https://")) for link in links)
    assert {f"c-{result['check']}" for result in leaky["results"]} <= targets


def test_the_html_shows_failures_first(buggy: dict[str, Any]) -> None:
    page = FORMS["html"](buggy)
    assert (
        page.index('id="c-rs.challenge.grammar"') < page.index('id="preflight"') < page.index('id="c-rs.bearer.case"')
    )


def test_junit_counts_what_counts(buggy: dict[str, Any]) -> None:
    suite = ElementTree.fromstring(FORMS["junit"](buggy))[0]
    assert int(suite.attrib["tests"]) == len(suite.findall("testcase")) == len(buggy["results"])
    assert int(suite.attrib["failures"]) == len(suite.findall(".//failure")) == 1
    assert int(suite.attrib["errors"]) == len(suite.findall(".//error")) == 0
    assert int(suite.attrib["skipped"]) == len(suite.findall(".//skipped"))


def test_junit_can_hold_what_xml_cannot() -> None:
    report = document.build(
        _report(lambda request: httpx.Response(401, headers={b"www-authenticate": b"Bearer \x01\x0b\xff"}))
    )  # pyright: ignore[reportArgumentType]
    report["results"][0]["received"] = "a\x00b\ud800\uffff"
    ElementTree.fromstring(FORMS["junit"](report))


def test_sarif_lists_a_rule_for_each_check_and_a_result_for_each_problem(buggy: dict[str, Any]) -> None:
    run = json.loads(FORMS["sarif"](buggy))["runs"][0]
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert rules == {result["check"] for result in buggy["results"]}
    levels = {found["ruleId"]: found["level"] for found in run["results"]}
    assert levels == {"rs.challenge.grammar": "error", "rs.challenge.scope-hint": "warning"}


def test_the_badge_counts_musts_and_hides_nothing(buggy: dict[str, Any], leaky: dict[str, Any]) -> None:
    badge = json.loads(FORMS["badge"](buggy))
    assert badge["color"] == "red"
    assert re.fullmatch(r"(\d+)/(\d+) MUST", badge["message"])
    assert "not judged" in json.loads(FORMS["badge"](leaky))["message"]


def test_the_terminal_tells_verdict_cause_and_cure_without_colour(buggy: dict[str, Any]) -> None:
    text = _on_terminal(buggy)
    assert "✗ fail  rs.challenge.grammar  MUST" in text
    for word in ("Expected", "Received", "Why", "Fix", "Again    mcp-demo conformance run"):
        assert word in text
    assert "\x1b" not in text
    assert text.rstrip().endswith(buggy["verdict"]["text"])


def test_a_target_cannot_write_control_characters_on_the_terminal(leaky: dict[str, Any]) -> None:
    leaky["results"][0]["received"] = "a\x1b[2Jb\x07\r"
    assert not set("\x1b\x07\r") & set(_on_terminal(leaky))


def test_a_target_cannot_begin_a_line_of_the_terminal(leaky: dict[str, Any]) -> None:
    forged = "x\n::stop-commands::x\nThe target conforms."
    leaky["results"][0]["received"] = leaky["preflight"][0]["text"] = forged
    assert not re.search("^(::|The target conforms)", _on_terminal(leaky), re.MULTILINE)


def _known(tmp_path: Path, text: str) -> tuple[baseline.Known, ...]:
    file = tmp_path / "baseline.yaml"
    file.write_text(text, encoding="utf-8")
    return baseline.read(file, (check.id for check in _CHECKS))


def test_a_known_problem_is_expected_and_one_that_is_gone_is_stale(tmp_path: Path) -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "writes_null")
    rows = "- {id: rs.metadata.well-formed, reason: vendor}\n"
    found = baseline.apply(judge_wrapped(mutant.wrap), _known(tmp_path, rows))
    assert found.exit_code == 0
    gone = baseline.apply(judge_wrapped(), _known(tmp_path, rows))
    assert gone.exit_code == 1
    elsewhere = "- {id: rs.metadata.well-formed, reason: vendor, target: 'https://other.example/*'}\n"
    assert baseline.apply(judge_wrapped(mutant.wrap), _known(tmp_path, elsewhere)).exit_code == 1


@pytest.mark.parametrize(
    "rows",
    [
        "- {id: rs.no.such, reason: x}",
        "- {id: rs.token.kind}",
        "- 7",
        "a: b",
        "- [",
        "- {id: rs.token.kind, reason: x, colour: red}",
    ],
)
def test_a_baseline_that_cannot_be_meant_is_refused(tmp_path: Path, rows: str) -> None:
    with pytest.raises(SetupError):
        _known(tmp_path, rows)


def test_a_drafted_baseline_makes_the_run_pass(tmp_path: Path, buggy: dict[str, Any]) -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "hints_empty_scope")
    report = judge_wrapped(mutant.wrap)
    drafted = _known(tmp_path, baseline.draft({**buggy, "target": report.url}))
    assert {row.id for row in drafted} == {"rs.challenge.grammar", "rs.challenge.scope-hint"}
    assert baseline.apply(report, drafted).exit_code == 0
