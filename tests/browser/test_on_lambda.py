"""Server and bridge as Lambda functions: people and the conformance suite find what they find at processes."""

import json
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import test_other_ways_in as other
import test_static_client as static

from mcp_demo.local.ports import Ports
from mcp_demo.local.stack import running_stack
from mcp_demo.local.state import Run

pytestmark = pytest.mark.slow

PREFLIGHTS = {"as.cors.endpoints", "rs.cors.metadata", "rs.cors.preflight"}
"""MiniStack answers each with 403 by itself. An HTTP API of AWS without CORS settings hands them on to `$default`;
`tests/unit/serverless` shows what the functions answer then."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Generator[Run]:
    with running_stack(tmp_path_factory.mktemp("lambda"), Ports.free(), served_by="lambda") as run:
        yield run


page = static.page
test_logging_in = static.test_fetching_without_a_login_leads_through_it_to_the_data
test_stepping_up = static.test_adding_data_steps_up_with_the_union_of_scopes_and_then_adds
test_the_answer_of_another_browser = static.test_an_answer_that_another_browser_asked_for_is_refused
test_the_auto_client = other.test_the_auto_client_shows_its_registration_forgets_it_and_starts_over
test_the_metadata_client = other.test_the_metadata_client_serves_the_document_that_its_page_names


def test_functions_conform(stack: Run, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    command = [sys.executable, "-m", "mcp_demo.cli", "conformance", "run", "--stack", str(stack.state)]
    ran = subprocess.run(
        [*command, "--report", f"json={out}"], capture_output=True, text=True, timeout=240, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    results = json.loads(out.read_text(encoding="utf-8"))["results"]
    by_verdict: dict[str, set[str]] = {}
    for result in results:
        by_verdict.setdefault(result["verdict"], set()).add(result["check"])
    assert by_verdict["warn"] == PREFLIGHTS
    assert len(by_verdict["pass"]) > 100
    # A second server that cannot reach its keys would be a second function; test_serverless_faults.py has one.
    assert by_verdict.get("blocked", set()) == {"rs.token.fail-closed"}


def test_twenty_at_once_are_all_answered_in_time(stack: Run) -> None:
    document = f"{stack.bridge}/.well-known/oauth-authorization-server"
    with httpx.Client(timeout=8) as http, ThreadPoolExecutor(20) as callers:
        answers = list(callers.map(http.get, [document] * 60))
    assert [answer.status_code for answer in answers] == [200] * 60
