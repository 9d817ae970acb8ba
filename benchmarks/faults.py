"""Faults for a system that runs: each is made on its real processes, or between them, and taken back.

A fault that ends a process starts it again, as a supervisor would. The others leave every process alive, so that its
memory can be compared with what it was before. Here is what all faults have in common, and what can be done to a
process; `fault_list` has all of them.
"""

import asyncio
import os
import resource
import signal
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.relay import Relay
from mcp_demo.local import children
from mcp_demo.local.children import Child
from mcp_demo.local.stack import Processes
from mcp_demo.local.state import Run


@dataclass(frozen=True, slots=True)
class System:
    """A running system and a hand on its processes, and on the relays between them where it has some."""

    run: Run
    processes: Processes
    relays: Mapping[str, Relay] = field(default_factory=dict[str, Relay])

    def part(self, name: str) -> Child:
        """One of its parts."""
        return next(child for child in self.processes.parts if child.part.name == name)

    def pid(self, name: str) -> int:
        """The process id of a part, or of the embedded AWS."""
        return self.processes.pids()[name]


Made = Mapping[str, int]
"""What was really done, and how often: a fault that never took place proves nothing."""
Make = Callable[[System, float], Awaitable[Made]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One of them, and what it is an excuse for.

    Args:
        name: What happens.
        make: Does it, for some seconds, and takes it back.
        touches: The jobs of the load that may notice. For all others nothing changes.
        says: What their answers may then say: a regular expression, from the start.
        seconds: For how long, at most.
        after: Seconds after its end in which a job may begin and still meet it.
        clock: By how many seconds the MCP server's clock is off meanwhile.
        strange_keys: Whether tokens with made-up key ids come meanwhile, so that the MCP server looks for keys.
    """

    name: str
    make: Make
    touches: frozenset[str]
    says: str = ""
    seconds: float = 4.0
    after: float = 3.0
    clock: int = 0
    strange_keys: bool = False


ENVELOPE_KEYS_LOST = "envelope keys lost"
"""The one fault that is noticed long after: whenever a session of before is refreshed."""
SIGN_INS = frozenset(("sign_in", "refresh", "client"))
"""Jobs that need the bridge and the user-pool domain."""
CALLS = frozenset(("call", "note", "refused", "client"))
"""Jobs that need the MCP server."""
REGISTRATIONS = frozenset(("register", "client"))
"""Jobs that need the registration API."""


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
    await asyncio.to_thread(start_again, chosen)


def start_again(chosen: list[Child]) -> None:
    """End what is left of parts, and start them with the settings that now lie there."""
    children.stop(chosen)
    for child in chosen:
        child.start_again()
    children.wait_until_healthy(chosen)


def during(fault: Callable[..., AbstractContextManager[None]], *names: str) -> Make:
    """A state of processes as a fault."""

    async def make(system: System, seconds: float) -> Made:
        with fault(system, *names):
            await asyncio.sleep(seconds)
        return {"times": 1}

    return make


def killed(*names: str) -> Make:
    """The end of parts as a fault."""

    async def make(system: System, seconds: float) -> Made:
        await kill(system, *names, seconds=seconds / 2)
        return {"times": 1}

    return make


def children_of(pid: int) -> list[int]:
    """What a process has started: in the embedded AWS, the functions, each waiting for work or at it."""
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # a thread that has just ended
            found += map(int, (thread / "children").read_text(encoding="ascii").split())
    return found
