"""The command contract of design §5: exit codes, one line with a cure, results alone on stdout."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from mcp_demo import cli
from mcp_demo.errors import SetupError
from mcp_demo.local.ports import Ports


def _run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["mcp-demo", *words])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_help_imports_nothing_that_a_command_needs() -> None:
    heavy = ("boto3", "botocore", "pydantic", "httpx", "mcp", "rich.console", "playwright", "uvicorn", "jinja2")
    script = f"import mcp_demo.cli, sys; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_unknown_command_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run(monkeypatch, "fly") == 2


@pytest.mark.parametrize("choice", ["server", "server=", "server=x", "server=0", "server=65536", "moon=3000"])
def test_a_malformed_port_choice_is_a_usage_error(
    choice: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert _run(monkeypatch, "up", "--port", choice, "--state", str(tmp_path)) == 2
    assert "server=4001" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["deploy", "status", "cleanup"])
def test_a_local_command_without_a_run_says_how_to_start_one(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert _run(monkeypatch, command, "--state", str(tmp_path)) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["Nothing is running on this machine.", "Start it: mcp-demo up --detach"]


def test_aws_without_credentials_is_an_environment_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert _run(monkeypatch, "deploy", "--profile", "aws", "--state", str(tmp_path)) == 4
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_our_own_failure_is_one_line_and_a_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("a bug\nof ours")

    monkeypatch.setattr("mcp_demo.local.state.end", broken)
    monkeypatch.setenv("MCP_DEMO_STATE", str(tmp_path))
    assert _run(monkeypatch, "down") == 3
    problem, where = capsys.readouterr().err.splitlines()
    assert problem == "This is our failure: RuntimeError: a bug of ours"
    log = Path(where.removeprefix("The details are in ").removesuffix("."))
    assert "Traceback" in log.read_text()


def test_a_full_disk_is_named_with_the_file_and_a_cure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "run.json"))

    monkeypatch.setattr("mcp_demo.local.state.end", full)
    assert _run(monkeypatch, "down", "--state", str(tmp_path)) == 4
    problem, cure = capsys.readouterr().err.splitlines()
    assert problem == f"The file {tmp_path / 'run.json'} cannot be written: No space left on device."
    assert cure == "Make room on the disk, or name another folder."


def test_ports_given_twice_and_unknown_names_are_refused() -> None:
    same = Ports.free().changed(["server=23456", "bridge=23456"])
    with pytest.raises(SetupError, match="is given to server and bridge"):
        same.require_free(["server", "bridge"])
    with pytest.raises(ValueError, match="moon"):
        Ports().changed(["moon=1"])


def test_free_ports_differ_from_one_another() -> None:
    ports = Ports.free()
    numbers = {getattr(ports, name) for name in Ports.names()}
    assert len(numbers) == len(Ports.names())
    ports.require_free(Ports.names())
