"""The composite action's own steps, run as the CI service runs them: by bash, with the inputs in the environment."""

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from mcp_demo.local.state import Run

_FOLDER = Path(__file__).parents[2] / "conformance" / "action"
_ACTION: dict[str, Any] = yaml.safe_load((_FOLDER / "action.yml").read_text(encoding="utf-8"))
_STEPS: dict[str, dict[str, Any]] = {step["name"]: step for step in _ACTION["runs"]["steps"]}
_INPUT = re.compile(r"\$\{\{ *inputs\.([a-z-]+) *\}\}")


def _run(step: str, workspace: Path, temporary: Path, **inputs: str) -> "subprocess.CompletedProcess[str]":
    """A step of the action, in somebody's checkout."""
    given = {name: str(spec.get("default", "")) for name, spec in _ACTION["inputs"].items()} | inputs
    assert inputs.keys() <= _ACTION["inputs"].keys()
    values: dict[str, str] = _STEPS[step].get("env", {})
    environment = {name: _INPUT.sub(lambda found: given[found[1]], text) for name, text in values.items()}
    assert "${{" not in _STEPS[step]["run"], "an input in the text of a script is a script of a stranger"
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", _STEPS[step]["run"]],
        cwd=workspace,
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(temporary),
            "RUNNER_TEMP": str(temporary),
            "GITHUB_ACTION_PATH": str(_FOLDER),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """What the step `Install` leaves, without the time it takes: our own commands under its path."""
    commands = tmp_path / "runner" / "mcp-conformance" / "bin"
    commands.mkdir(parents=True)
    (commands / "mcp-demo").symlink_to(Path(sysconfig.get_path("scripts")) / "mcp-demo")
    return tmp_path / "runner"


def test_every_step_is_bash_and_has_a_name() -> None:
    assert _ACTION["runs"]["using"] == "composite"
    assert list(_STEPS) == ["Install", "Judge"]
    assert {step["shell"] for step in _STEPS.values()} == {"bash"}


def test_a_server_that_conforms_makes_the_step_green_and_leaves_all_reports(
    stack: Run, installed: Path, tmp_path: Path
) -> None:
    workspace = tmp_path / "checkout"
    workspace.mkdir()
    run = _run("Judge", workspace, installed, url=stack.server, arguments="--select rs.challenge --quiet")
    assert run.returncode == 0, run.stdout + run.stderr
    reports = workspace / "conformance"
    document = json.loads((reports / "report.json").read_text(encoding="utf-8"))
    assert document["target"] == stack.server
    assert {result["check"].rpartition(".")[0] for result in document["results"]} == {"rs.challenge"}
    assert json.loads((reports / "report.sarif").read_text(encoding="utf-8"))["version"] == "2.1.0"
    assert ElementTree.parse(reports / "report.xml").getroot().tag in ("testsuite", "testsuites")
    assert "message" in json.loads((reports / "badge.json").read_text(encoding="utf-8"))
    assert (reports / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_server_that_does_not_makes_it_red_unless_the_baseline_knows(
    stack: Run, installed: Path, tmp_path: Path
) -> None:
    wrong = f"{stack.server}/nowhere"
    inputs = {"url": wrong, "arguments": "--select rs.metadata.resource-of-request --quiet"}
    assert _run("Judge", tmp_path, installed, **inputs).returncode == 1
    baseline = tmp_path / "known problems.yaml"
    row = {
        "id": "rs.metadata.resource-of-request",
        "target": wrong,
        "reason": "a test",
        "issue": "1",
        "since": "2026-11-01",
    }
    baseline.write_text(yaml.safe_dump([row]), encoding="utf-8")
    known = _run("Judge", tmp_path, installed, baseline=baseline.name, **inputs)
    assert known.returncode == 0, known.stdout + known.stderr


def test_inputs_are_values_and_never_commands(stack: Run, installed: Path, tmp_path: Path) -> None:
    evil = "$(touch owned); touch owned; `touch owned`"
    run = _run("Judge", tmp_path, installed, url=evil, token=evil, arguments=evil, baseline=evil)
    assert run.returncode != 0
    assert not list(tmp_path.rglob("owned"))


@pytest.mark.parametrize("url", ["--help", "-v", "--stack=/"])
def test_a_url_is_never_an_option(url: str, installed: Path, tmp_path: Path) -> None:
    run = _run("Judge", tmp_path, installed, url=url)
    assert run.returncode == 4, run.stdout + run.stderr  # as for any URL that is none: no target that can be judged
    assert "Usage:" not in run.stdout


def test_what_is_checked_out_does_not_pose_as_a_module_of_python(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("venv", "runpy", "ensurepip", "json"):
        (checkout / f"{name}.py").write_text("import pathlib; pathlib.Path('owned').touch(); raise SystemExit\n")
    made = _STEPS["Install"]["run"].partition('"$RUNNER_TEMP/mcp-conformance/bin/pip"')[0]
    environment = {**os.environ, "RUNNER_TEMP": str(tmp_path), "PYTHONPATH": str(checkout)}
    subprocess.run(["bash", "-eo", "pipefail", "-c", made], env=environment, cwd=checkout, timeout=120, check=True)
    assert (tmp_path / "mcp-conformance" / "bin" / "pip").exists()
    assert not list(tmp_path.rglob("owned"))


def test_a_token_lets_more_be_judged_and_is_in_no_report(stack: Run, installed: Path, tmp_path: Path) -> None:
    from conformance.stack import issuer_of

    token = issuer_of(stack).token()
    inputs = {"url": stack.server, "arguments": "--select rs.bearer.case --quiet"}
    verdicts: list[str] = []
    for given in ("", token):
        run = _run("Judge", tmp_path, installed, token=given, **inputs)
        assert run.returncode == 0, run.stdout + run.stderr
        document = json.loads((tmp_path / "conformance" / "report.json").read_text(encoding="utf-8"))
        verdicts.append(document["results"][0]["verdict"])
    assert verdicts == ["blocked", "pass"]
    assert not [file for file in (tmp_path / "conformance").iterdir() if token in file.read_text(encoding="utf-8")]


@pytest.mark.slow
def test_the_installation_brings_the_command(tmp_path: Path) -> None:
    """Installed for real, from this checkout; what it depends on is found to be there already, to save the time."""
    environment = {**os.environ, "RUNNER_TEMP": str(tmp_path), "GITHUB_ACTION_PATH": str(_FOLDER)}
    environment["PYTHONPATH"] = sysconfig.get_path("purelib")
    step = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", _STEPS["Install"]["run"]]
    run = subprocess.run(step, env=environment, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    command = [str(tmp_path / "mcp-conformance" / "bin" / "mcp-demo"), "conformance", "explain", "rs.token.expiry"]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert shown.returncode == 0, shown.stderr
    assert "Expired tokens" in shown.stdout
