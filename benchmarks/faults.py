"""Faults for a system that runs: each is made on its real processes, and taken back.

A fault that ends a process starts it again, as a supervisor would. The others leave every process alive, so that its
memory can be compared with what it was before.
"""

import asyncio
import os
import resource
import secrets
import signal
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from mcp_demo.deploy.files import write_private
from mcp_demo.local import children
from mcp_demo.local.children import Child
from mcp_demo.local.stack import Processes
from mcp_demo.local.state import Run


@dataclass(frozen=True, slots=True)
class System:
    """A running system and a hand on its processes."""

    run: Run
    processes: Processes

    def part(self, name: str) -> Child:
        """One of its parts."""
        return next(child for child in self.processes.parts if child.part.name == name)

    def pid(self, name: str) -> int:
        """The process id of a part, or of the embedded AWS."""
        return self.processes.pids()[name]


Make = Callable[[System, float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One of them.

    Args:
        name: What happens.
        make: Does it, for some seconds, and takes it back.
        seconds: For how long, at most.
    """

    name: str
    make: Make
    seconds: float = 4.0


@contextmanager
def paused(system: System, *names: str) -> Generator[None]:
    """Processes that live and do not answer."""
    pids = [system.pid(name) for name in names]
    for pid in pids:
        os.killpg(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.killpg(pid, signal.SIGCONT)


@contextmanager
def disk_full(system: System, *names: str) -> Generator[None]:
    """No file of these processes may grow: each write fails, as on a full disk."""
    pids = [system.pid(name) for name in names]
    before = [resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY)) for pid in pids]
    try:
        yield
    finally:
        for pid, limits in zip(pids, before, strict=True):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


async def kill(system: System, *names: str, seconds: float = 0.0) -> None:
    """Kill parts, and start them again after some seconds; back once they answer."""
    chosen = [system.part(name) for name in names]
    for child in chosen:
        child.process.kill()
    await asyncio.sleep(seconds)
    await asyncio.to_thread(_start, chosen)


def _during(fault: Callable[..., AbstractContextManager[None]], *names: str) -> Make:
    async def make(system: System, seconds: float) -> None:
        with fault(system, *names):
            await asyncio.sleep(seconds)

    return make


def _killed(*names: str) -> Make:
    return lambda system, seconds: kill(system, *names, seconds=seconds / 2)


def _start(chosen: list[Child]) -> None:
    children.stop(chosen)
    for child in chosen:
        child.start_again()
    children.wait_until_healthy(chosen)


def _keys(*, lost: bool) -> Make:
    """A new envelope key, in front of those there are or instead of them; the bridge reads it at its next start."""

    async def make(system: System, seconds: float) -> None:
        path = system.run.state / "env" / "bridge.env"
        lines = path.read_text(encoding="utf-8").splitlines()
        at = next(index for index, line in enumerate(lines) if line.startswith("MCP_DEMO_ENVELOPE_KEYS="))
        old = lines[at].partition("=")[2].strip("'[]")
        keys = f'"{secrets.token_urlsafe(32)}"' + ("" if lost else f",{old}")
        lines[at] = f"MCP_DEMO_ENVELOPE_KEYS='[{keys}]'"
        write_private(path, "\n".join(lines) + "\n")
        await asyncio.to_thread(_start, [system.part("bridge")])

    return make


STAYING = (
    Fault("user-pool domain slow: answers after seconds", _during(paused, "domain")),
    Fault("user-pool domain stops answering for longer than the bridge waits", _during(paused, "domain"), 12.0),
    Fault("embedded AWS stops answering: user pool, JWKS, DynamoDB, Lambda, API Gateway", _during(paused, "aws")),
    Fault("bridge stops answering", _during(paused, "bridge")),
    Fault("MCP server stops answering", _during(paused, "server")),
    Fault("disk full for the MCP server", _during(disk_full, "server")),
    Fault("disk full for the user-pool domain", _during(disk_full, "domain")),
)
ENDING = (
    Fault("user-pool domain killed, started again", _killed("domain")),
    Fault("bridge killed, started again", _killed("bridge")),
    Fault("MCP server killed, started again", _killed("server")),
    Fault("bridge and MCP server killed at once, started again", _killed("bridge", "server")),
    Fault("envelope key rotated", _keys(lost=False)),
    Fault("envelope keys lost", _keys(lost=True)),
)
