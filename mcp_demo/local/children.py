"""The parts as child processes: started together, watched, and ended together."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mcp_demo.local.ports import HOST

_READY_DEADLINE = 40.0
_STOP_DEADLINE = 3.0  # what is under way gets two seconds; with MiniStack after it all ends within five
_TURN = 0.03


class PartFailed(Exception):
    """A part ended, or never served, though nobody asked it to: our own failure, exit code 3.

    Attributes:
        problem: Which part, and the last line of its log.
        log: The whole log.
    """

    def __init__(self, problem: str, log: Path) -> None:
        super().__init__(problem)
        self.problem = problem
        self.log = log


@dataclass(frozen=True, slots=True)
class Part:
    """What is started: a factory of an ASGI application, on a port."""

    name: str
    factory: str
    port: int


class Child:
    """A running part."""

    def __init__(self, part: Part, state: Path, env_folder: Path) -> None:
        self.part = part
        self.log = state / "logs" / f"{part.name}.log"
        self._state, self._env_folder = state, env_folder
        self.process = self._started()

    def start_again(self) -> None:
        """Start the part, once it has ended, on the same port and with the same settings."""
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        # A part reads its own file and nothing else: no setting of the person's shell, no AWS credentials.
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "TZ") if name in os.environ}
        env_file = self._env_folder / f"{self.part.name}.env"
        with self.log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "mcp_demo.local.part", self.part.factory, "--port", str(self.part.port)],
                env={**inherited, "MCP_DEMO_ENV_FILE": str(env_file), "PYTHONUNBUFFERED": "1"},
                cwd=self._state,
                stdin=subprocess.PIPE,  # never written: when we are gone it ends, and so does the part
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C at the terminal is ours to act on
            )

    def require_running(self) -> None:
        """Make sure that the part is alive.

        Raises:
            PartFailed: It ended.
        """
        code = self.process.poll()
        if code is not None:
            raise PartFailed(f"The {self.part.name} part ended (exit code {code}): {last_line(self.log)}", self.log)

    def is_healthy(self) -> bool:
        """Whether the part answers."""
        connection = http.client.HTTPConnection(HOST, self.part.port, timeout=2)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def wait_until_healthy(children: Sequence[Child]) -> None:
    """Wait until every part answers.

    Raises:
        PartFailed: One ended, or did not answer in time.
    """
    waiting = list(children)
    deadline = time.monotonic() + _READY_DEADLINE
    while waiting:
        for child in children:
            child.require_running()
        waiting = [child for child in waiting if not child.is_healthy()]
        if waiting and time.monotonic() > deadline:
            late = waiting[0]
            raise PartFailed(f"The {late.part.name} part does not answer: {last_line(late.log)}", late.log)
        time.sleep(_TURN if waiting else 0)


def stop(children: Sequence[Child]) -> None:
    """End all parts, politely first; none is left."""
    for child in children:
        with suppress(OSError):
            child.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + _STOP_DEADLINE
    for child in children:
        try:
            child.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
        if child.process.stdin:
            child.process.stdin.close()


def last_line(log: Path) -> str:
    """The last line of a log that says something."""
    with suppress(OSError):
        lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), "its log is empty")
    return "it has no log"
