"""The official suite: what we make of its results, and, where Node is at hand, a few of its scenarios for real."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from conformance.official import __main__ as command
from conformance.official import node, table
from conformance.official.bridge import run_bridge
from conformance.official.node import Toolchain, Unavailable, toolchain
from conformance.official.scenarios import REVISIONS, Outcome, Scenario, outcome_of, run, scenarios
from mcp_demo.local.browser import require
from mcp_demo.local.state import Run

PAGE = Path(__file__).parents[2] / "docs" / "official.md"
SCENARIO = Scenario("2026-07-28", "auth/iss-supported", "required")
TOOLS = Toolchain(Path("node"), "22.23.3", Path("suite"), "0.2.0-alpha.12")


@pytest.fixture(scope="module")
def tools() -> Toolchain:
    try:
        return toolchain(install=bool(os.environ.get("CI")))
    except Unavailable as reason:
        pytest.skip(str(reason))


def checks(*statuses: str) -> list[dict[str, Any]]:
    return [{"id": f"check-{place}", "status": status} for place, status in enumerate(statuses)]


def with_results(monkeypatch: pytest.MonkeyPatch, *outcomes: Outcome) -> None:
    def client(tools: Toolchain, select: str | None) -> list[Outcome]:
        return list(outcomes)

    monkeypatch.setattr(command, "toolchain", lambda: TOOLS)
    monkeypatch.setattr(command, "_client", client)


# --- Results


def test_an_outcome_is_good_if_everything_passed_and_the_client_ended_well() -> None:
    outcome = outcome_of(SCENARIO, checks("SUCCESS", "INFO", "SKIPPED", "SUCCESS"), 0)
    assert (outcome.passed, outcome.is_good) == (2, True)


@pytest.mark.parametrize(
    ("statuses", "status", "note"),
    [
        (("SUCCESS", "FAILURE"), 1, "check-1"),
        (("SUCCESS", "WARNING"), 1, "check-1"),
        (("SUCCESS",), 1, "exit status 1"),
        ((), 0, ""),
    ],
)
def test_a_failure_a_warning_a_bad_end_or_nothing_at_all_is_not_good(
    statuses: tuple[str, ...], status: int, note: str
) -> None:
    outcome = outcome_of(SCENARIO, checks(*statuses), status)
    assert (outcome.note, outcome.is_good) == (note, False)


def test_the_page_shows_every_outcome_and_can_be_read_back() -> None:
    outcomes = [
        Outcome(SCENARIO, 14, 0, 0),
        Outcome(Scenario("2026-07-28", "auth/dpop", "extension"), 3, 1, 0, "sep-1932-client-fresh-proof"),
        Outcome(Scenario("any", "authorization-code-grant", "authorization server"), 1, 0, 0),
    ]
    page = table.page(TOOLS, "2.3.0", outcomes)
    rows = re.findall(r"^\| `(\S+)` \| (\S) \w+ \| (\d+) \| (\d+) \| (\d+) \| (.*) \|$", page, re.MULTILINE)
    assert rows == [
        ("auth/iss-supported", "✓", "14", "0", "0", ""),
        ("auth/dpop", "✗", "3", "1", "0", "sep-1932-client-fresh-proof"),
        ("authorization-code-grant", "✓", "1", "0", "0", ""),
    ]
    assert "1 of 1 (required), 0 of 1 (extension), 1 of 1 (authorization server)" in page
    assert "0.2.0-alpha.12" in page and "22.23.3" in page and "2.3.0" in page


@pytest.mark.parametrize(
    ("kind", "status"),
    [("required", 1), ("extension", 1), ("authorization server", 1), ("added-after-release", 0), ("pending", 0)],
)
def test_a_failure_of_what_counts_fails_the_run(kind: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with_results(monkeypatch, Outcome(Scenario("2026-07-28", "auth/x", kind), 1, 1, 0, "check"))
    assert command.main(["--no-bridge"]) == status


def test_a_run_of_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with_results(monkeypatch)
    assert command.main(["--no-bridge"]) == 1


# --- Preflight


@pytest.mark.parametrize("said", ["v20.20.2", "v21.9.0", "", "nonsense"])
def test_an_old_node_without_npm_ends_in_one_line_and_status_4(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "node"
    old.write_text(f"#!/bin/sh\necho '{said}'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(node, "_MODULES", tmp_path / "node_modules")
    monkeypatch.setattr(node, "_SUITE", tmp_path / "node_modules" / "suite")
    assert command.main(["--no-bridge"]) == 4
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert "Node 22" in printed and "npm" in printed


def test_the_suite_is_pinned_to_one_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(-\w+\.\d+)?", node.pinned())
    lock = (node.HERE / "package-lock.json").read_text()
    assert "registry" not in lock and '"resolved"' not in lock


# --- The committed results


def test_the_committed_page_is_of_the_pinned_suite_and_without_failures() -> None:
    page = PAGE.read_text()
    assert f" {node.pinned()}, run with Node" in page
    assert "✗" not in page
    assert not re.search(r"(?<!\d)0 of [1-9]", page)


def test_the_committed_page_has_every_scenario_of_both_requirement_sets(tools: Toolchain) -> None:
    page = PAGE.read_text()
    for revision in REVISIONS:
        part = page[page.index(f"## {revision}: Required") :]
        assert [one.name for one in scenarios(tools, revision) if f"`{one.name}`" not in part] == []


# --- For real


@pytest.mark.slow
@pytest.mark.parametrize(
    ("revision", "name"),
    [
        ("2025-11-25", "auth/scope-step-up"),
        ("2025-11-25", "auth/pre-registration"),
        ("2026-07-28", "auth/authorization-server-migration"),
        ("2026-07-28", "auth/iss-normalized"),
        ("2026-07-28", "auth/dpop-nonce"),
        ("2026-07-28", "auth/enterprise-managed-authorization"),
    ],
)
def test_our_client_passes(revision: str, name: str, tools: Toolchain) -> None:
    outcome = run(tools, Scenario(revision, name, "required"))
    assert outcome.is_good, outcome


@pytest.mark.slow
def test_a_client_that_does_nothing_does_not_pass(tools: Toolchain) -> None:
    outcome = run(tools, SCENARIO, client="true")
    assert not outcome.is_good
    assert outcome.failed > 0


@pytest.mark.slow
def test_the_bridge_passes_as_authorization_server(tools: Toolchain, stack: Run) -> None:
    outcomes = run_bridge(tools, stack, require())
    assert [one.scenario.name for one in outcomes if not one.is_good] == []
    assert len(outcomes) == 2
