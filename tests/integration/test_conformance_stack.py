"""The running system conforms, in every revision, by the command that people use."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.requirements import REVISIONS
from mcp_demo.local.state import Run


def _conformance(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "mcp_demo.cli", "conformance", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("revision", REVISIONS)
def test_the_mcp_server_conforms(stack: Run, revision: str, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    options = ("--role", "rs", "--revision", revision, "--strict", "--report", f"json={out}")
    run = _conformance("run", "--stack", str(stack.state), *options)
    assert run.returncode == 0, run.stdout + run.stderr
    report = json.loads(out.read_text(encoding="utf-8"))
    assert {name for name, count in report["summary"].items() if count} == {"pass", "not-applicable", "excluded"}


def test_the_mcp_server_conforms_with_tokens_that_are_bound_by_scope(ministack_hosted_stack: Run) -> None:
    run = _conformance("run", "--stack", str(ministack_hosted_stack.state), "--role", "rs", "--strict", "-q")
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_state_folder_without_a_run_is_an_environment_problem(tmp_path: Path) -> None:
    run = _conformance("run", "--stack", str(tmp_path))
    assert run.returncode == 4
    assert "mcp-demo up" in run.stderr
