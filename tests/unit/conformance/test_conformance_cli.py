"""The faces: command line and pytest plugin."""

import json
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conformance.mutants.reference import served
from conformance.target import Target
from mcp_demo.cli import app

_RUNNER = CliRunner()


@pytest.fixture(scope="module")
def server() -> Generator[Target]:
    """The reference server on a real socket."""
    with served() as target:
        yield target


def _run(*arguments: str) -> tuple[int, str]:
    result = _RUNNER.invoke(app, ["conformance", *arguments])
    return result.exit_code, result.output


def test_one_command_with_a_url_is_enough(server: Target, tmp_path: Path) -> None:
    forms = ("json", "html", "junit", "sarif", "badge")
    reports = [part for form in forms for part in ("--report", f"{form}={tmp_path / form}")]
    code, text = _run("run", server.url, "--role", "rs", *reports)
    assert code == 0, text
    assert "Nothing found against MCP 2026-07-28" in text
    assert all((tmp_path / form).stat().st_size for form in forms)
    found = json.loads((tmp_path / "json").read_text(encoding="utf-8"))
    assert found["target"] == server.url
    assert found["summary"]["pass"] > 25


def test_with_a_token_more_is_judged_and_the_token_stays_secret(server: Target, tmp_path: Path) -> None:
    assert server.issuer is not None
    token = server.issuer.token()
    code, text = _run("run", server.url, "-q", "--role", "rs", "--token", token, "--report", f"json={tmp_path / 'r'}")
    written = (tmp_path / "r").read_text(encoding="utf-8")
    assert code == 0, text
    assert json.loads(written)["summary"]["pass"] > 32
    assert not [part for part in token.split(".")[1:] if part in text + written]


def test_a_bad_token_blocks_instead_of_passing(server: Target) -> None:
    code, text = _run("run", server.url, "--token", "not-a-token", "--select", "rs.token.signature")
    assert code == 1
    assert "proves nothing" in text


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("run", "http://127.0.0.1:1/mcp", "-q"), 4),
        (("run", "not a url", "-q"), 4),
        (("run",), 2),
        (("run", "http://localhost:1/mcp", "--select", "rs.misspelt"), 5),
        (("run", "http://localhost:1/mcp", "--revision", "2020-01-01"), 2),
        (("run", "http://localhost:1/mcp", "--role", "pilot"), 2),
        (("run", "http://localhost:1/mcp", "--report", "pdf=x"), 2),
        (("run", "http://localhost:1/mcp", "--operation", "tool={"), 2),
        (("list", "--select", "rs.misspelt"), 5),
        (("explain", "rs.misspelt"), 2),
        (("report", "/nowhere.json"), 2),
        (("baseline", "/nowhere.json"), 2),
    ],
)
def test_exit_codes_tell_what_kind_of_failure_it_is(arguments: tuple[str, ...], code: int) -> None:
    found, text = _run(*arguments)
    assert found == code, text
    assert "Traceback" not in text


def test_list_and_explain_say_what_there_is(tmp_path: Path) -> None:
    assert "rs.challenge.grammar" in _run("list", "--role", "rs")[1]
    code, text = _run("explain", "rs.token.audience")
    assert code == 0
    for word in ("What", "Where", "How tested", "Often wrong", "Why", "Fix", "Cognito", "Needs"):
        assert f"\n{word} " in text
    assert "rs.token.audience-whole" not in text
    assert all(check["title"] for check in json.loads(_run("list", "--json")[1]))


def test_a_stored_report_can_be_shown_in_other_forms(server: Target, tmp_path: Path) -> None:
    stored = tmp_path / "report.json"
    _run("run", server.url, "-q", "--select", "rs.challenge", "--report", f"json={stored}")
    code, text = _run("report", str(stored), "--report", f"html={tmp_path / 'report.html'}")
    assert code == 0
    assert "Nothing found" in text
    assert "rs.challenge.grammar" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert _run("baseline", str(stored)) == (0, "[]\n")


def _pytest(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_plugin_makes_a_test_of_each_check(server: Target, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(mcp_result): mcp_result.require()\n", encoding="utf-8")
    plugin = ("-p", "conformance.pytest_plugin", f"--rootdir={tmp_path}", "-c", "/dev/null", str(tmp_path))
    fine = _pytest(*plugin, "--mcp-url", server.url, "--mcp-select", "rs.challenge")
    assert fine.returncode == 0, fine.stdout
    assert "6 passed" in fine.stdout
    wrong = _pytest(*plugin, "--mcp-url", f"{server.url}-not-here", "--mcp-select", "rs.metadata.resource-of-request")
    assert wrong.returncode == 1, wrong.stdout
    assert "Expected" in wrong.stdout
    assert _pytest(*plugin, "--mcp-select", "rs.challenge").returncode == 4
    assert _pytest(*plugin, "--mcp-url", server.url, "--mcp-select", "rs.misspelt").returncode != 0
