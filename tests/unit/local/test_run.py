"""`python -m mcp_demo.local.run`: how a part is served, and how it ends."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

APP = """
from fastapi import FastAPI
from mcp_demo.errors import SetupError

def create_app():
    app = FastAPI()
    app.get("/health")(lambda: {"status": "ok"})
    return app

def broken():
    raise SetupError("A setting is missing.", "Set it.")
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(folder: Path, *arguments: str) -> Generator[subprocess.Popen[str]]:
    (folder / "part.py").write_text(APP)
    with subprocess.Popen(
        [sys.executable, "-m", "mcp_demo.local.run", *arguments],
        env={"PYTHONPATH": str(folder), "PATH": ""},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_health(port: int) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health?code=secret").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the part did not answer")


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "end of stdin"])
def test_a_part_serves_and_ends_within_three_seconds(tmp_path: Path, how: str) -> None:
    port = free_port()
    with serving(tmp_path, "part:create_app", "--port", str(port)) as process:
        wait_for_health(port)
        assert process.stdin and process.stderr
        if how == "end of stdin":
            process.stdin.close()
        else:
            process.send_signal(signal.Signals[how])
        assert process.wait(3) == 0
        assert "secret" not in process.stderr.read()


def test_a_taken_port_is_one_line_and_exit_code_4(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with serving(tmp_path, "part:create_app", "--port", str(port)) as process:
            assert process.wait(15) == 4
            assert process.stderr
            assert process.stderr.read().splitlines() == [
                f"Port {port} of 127.0.0.1 cannot be used: Address already in use."
                " Stop the program that uses it, or choose another port."
            ]


@pytest.mark.parametrize("factory", ["part:broken", "part:missing", "nowhere:create_app", "part"])
def test_a_part_that_cannot_be_made_is_one_line_and_exit_code_4(tmp_path: Path, factory: str) -> None:
    with serving(tmp_path, factory, "--port", str(free_port())) as process:
        assert process.wait(15) == 4
        assert process.stderr
        assert len(process.stderr.read().splitlines()) == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.com"])
def test_only_loopback_addresses_are_served(tmp_path: Path, host: str) -> None:
    with serving(tmp_path, "part:create_app", "--host", host, "--port", str(free_port())) as process:
        assert process.wait(15) == 2
