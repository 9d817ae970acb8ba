"""The plugin as strangers use it: an installation, an empty folder, pytest."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance import catalogue
from conformance.catalogue import Selection
from conformance.mutants.reference import served
from conformance.target import Target

_PLUGIN = ("-p", "conformance.pytest_plugin", "--pyargs", "conformance.test_conformance", "--mcp-role", "rs")


@pytest.fixture(scope="module")
def server() -> Iterator[Target]:
    with served() as target:
        yield target


def _pytest(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-c", "/dev/null"]
    return subprocess.run(
        [*command, f"--rootdir={folder}", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def _counts(text: str) -> dict[str, int]:
    return {name: int(count) for count, name in re.findall(r"(\d+) (passed|failed|skipped|deselected)", text)}


def test_an_empty_folder_is_enough(server: Target, tmp_path: Path) -> None:
    run = _pytest(tmp_path, *_PLUGIN, "--mcp-url", server.url, "--mcp-select", "rs.metadata")
    assert run.returncode == 0, run.stdout
    assert _counts(run.stdout)["passed"] > 8


def test_m_must_runs_what_is_a_must_in_the_revision(server: Target, tmp_path: Path) -> None:
    revision = "2025-06-18"
    chosen = Selection(revision, roles=("resource-server",), must_only=True).of(catalogue.load())
    run = _pytest(tmp_path, *_PLUGIN, "--mcp-url", server.url, "-m", "must", "--mcp-revision", revision, "--co")
    assert run.returncode == 0, run.stdout
    assert {line.partition("[")[2].rstrip("]") for line in run.stdout.splitlines() if "::" in line} == {
        check.id for check in chosen
    }


def test_a_token_in_the_environment_lets_more_be_judged(server: Target, tmp_path: Path) -> None:
    assert server.issuer is not None
    options = (*_PLUGIN, "--mcp-url", server.url, "--mcp-select", "rs.bearer.case")
    assert _counts(_pytest(tmp_path, *options).stdout) == {"skipped": 1}
    assert _counts(_pytest(tmp_path, *options, MCP_TOKEN=server.issuer.token()).stdout) == {"passed": 1}


def test_the_suites_own_folder_finds_its_plugin_itself(server: Target) -> None:
    folder = Path(str(catalogue.__file__)).parent
    run = _pytest(folder, str(folder / "test_conformance.py"), "--mcp-url", server.url, "--mcp-select", "rs.challenge")
    assert run.returncode == 0, run.stdout + run.stderr
