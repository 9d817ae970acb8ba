"""`mcp-demo up` from outside: what it prints, how it ends, and that nothing outlives it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from mcp_demo.local.ports import Ports

_DEADLINE = 60.0
_PUBLIC = {
    "server", "bridge", "downstream", "clients", "domain", "aws", "user", "audience", "issuer", "jwks_uri", "state",
}  # fmt: skip


@pytest.fixture
def ports() -> list[str]:
    return [word for name, port in asdict(Ports.free()).items() for word in ("--port", f"{name}={port}")]


@pytest.fixture
def state(tmp_path: Path) -> Generator[Path]:
    yield tmp_path / "state"
    _cli("down", "--state", str(tmp_path / "state"))


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "mcp_demo.cli", *words]


def _cli(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(
        _command(*words), capture_output=True, text=True, timeout=_DEADLINE, env=environment, check=False
    )


@contextmanager
def _foreground(state: Path, ports: list[str]) -> Generator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    command = _command("up", "--json", "--state", str(state), *ports)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield process, json.loads(line)
    finally:
        process.kill()
        process.communicate()


def _eventually(true: Callable[[], bool], seconds: float = 8.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _pids(state: Path) -> dict[str, int]:
    return json.loads((state / "run.json").read_text())["pids"]


def _is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _left(pids: dict[str, int], ports: list[str]) -> list[str]:
    processes = [name for name, pid in pids.items() if _is_alive(pid)]
    return processes + [word for word in ports if "=" in word and _is_open(int(word.partition("=")[2]))]


def test_ctrl_c_leaves_no_process_and_no_port(state: Path, ports: list[str]) -> None:
    with _foreground(state, ports) as (process, said):
        pids = _pids(state)
        assert set(said) == _PUBLIC
        assert {"supervisor", "aws", "server", "bridge", "domain"} <= set(pids)
        assert all(_is_alive(pid) for pid in pids.values())

        again = _cli("up", "--json", "--state", str(state), *ports)
        assert (again.returncode, json.loads(again.stdout)) == (0, said)
        assert "running already" in again.stderr

        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=_DEADLINE)
        assert (process.returncode, rest) == (0, "")
    assert _eventually(lambda: _left(pids, ports) == [])
    assert not (state / "run.json").exists()


def test_to_deploy_what_has_just_come_up_changes_nothing(state: Path, ports: list[str]) -> None:
    with _foreground(state, ports):
        previewed = _cli("deploy", "--dry-run", "--state", str(state)).stdout.splitlines()
    assert previewed == ["mcp-demo-identity  nothing would change", "mcp-demo-registration  nothing would change"]


def test_a_killed_run_takes_its_parts_along_and_the_next_one_starts(state: Path, ports: list[str]) -> None:
    with _foreground(state, ports) as (process, _):
        pids = _pids(state)
        process.kill()
        process.wait()
    detached = _cli("up", "--detach", "--json", "--state", str(state), *ports)
    assert detached.returncode == 0, detached.stderr
    assert set(json.loads(detached.stdout)) == _PUBLIC
    assert [name for name, pid in pids.items() if _is_alive(pid)] == []

    pids = _pids(state)
    ended = _cli("down", "--state", str(state))
    assert (ended.returncode, ended.stderr) == (0, "Stopped.\n")
    assert _eventually(lambda: _left(pids, ports) == [])
    assert "Nothing is running" in _cli("down", "--state", str(state)).stderr


def test_a_part_that_dies_is_named_and_ends_the_run(state: Path, ports: list[str]) -> None:
    with _foreground(state, ports) as (process, _):
        pids = _pids(state)
        os.kill(pids["bridge"], signal.SIGKILL)
        _, errors = process.communicate(timeout=_DEADLINE)
    assert process.returncode == 3
    assert "The bridge part ended" in errors
    assert "Traceback" not in errors
    assert _eventually(lambda: _left(pids, ports) == [])


@pytest.mark.parametrize("detach", [[], ["--detach"]], ids=["foreground", "detached"])
def test_a_taken_port_is_named_with_its_holder_and_a_cure(detach: list[str], state: Path, ports: list[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = _cli("up", *detach, "--json", "--state", str(state), *ports, "--port", f"server={port}")
    assert (refused.returncode, refused.stdout) == (4, "")
    problem, cure = refused.stderr.splitlines()
    assert problem.startswith(f"Port {port} of the server part is taken")
    assert str(os.getpid()) in problem
    assert "--port server=" in cure


@pytest.mark.parametrize("detach", [[], ["--detach"]], ids=["foreground", "detached"])
def test_a_state_folder_that_cannot_be_written_is_one_clear_line(
    detach: list[str], tmp_path: Path, ports: list[str]
) -> None:
    (tmp_path / "file").write_text("")
    refused = _cli("up", *detach, "--state", str(tmp_path / "file" / "state"), *ports)
    assert (refused.returncode, refused.stdout) == (4, "")
    problem, cure = refused.stderr.splitlines()
    assert "cannot be written" in problem
    assert "--state" in cure
