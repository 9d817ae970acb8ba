"""Minutes of mixed load while one fault follows another: answers judged, memory compared, the end timed.

    python -m benchmarks soak --minutes 10

In the first half processes are killed, started again and given other keys. The second half has only faults that every
process survives: what a process holds at its start is compared with what it holds at its end.
"""

import argparse
import asyncio
import gc
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.faults import ENDING, STAYING, Fault, System
from benchmarks.logins import make_users, own_stack
from benchmarks.mixed import Load
from benchmarks.pages import write
from benchmarks.report import machine
from benchmarks.visitor import browsers
from mcp_demo.local import children

_COMMAND = "python -m benchmarks soak"
_QUIET = 4.0
_PEOPLE = 20
_CONNECTIONS = 40
_GROWTH = 0.10
_END = 5.0
_EMULATOR = "aws"


@dataclass
class Result:
    """What came of it."""

    load: Load
    minutes: float
    faults: int = 0
    before: Mapping[str, float] = field(default_factory=dict[str, float])
    after: Mapping[str, float] = field(default_factory=dict[str, float])
    ended_in: float = 0.0

    def grown(self) -> dict[str, float]:
        """By what part the memory of each of our processes grew."""
        return {name: self.after[name] / kept - 1 for name, kept in self.before.items()}

    @property
    def is_good(self) -> bool:
        """No wrong answer, no leak, a clean end. The emulator's memory is shown but is not ours to judge."""
        leaks = [name for name, part in self.grown().items() if part > _GROWTH and name != _EMULATOR]
        return not self.load.wrong and not leaks and self.ended_in <= _END

    def lines(self) -> list[str]:
        """The tables, in Markdown."""
        load = self.load
        told = [f"{self.minutes:g} minutes, {self.faults} faults, on {machine()}.", ""]
        told += ["| Load | right | excused by a fault |", "| --- | ---: | ---: |"]
        told += [
            f"| {job.replace('_', ' ')} | {load.right[job]:,} | {load.excused[job]:,} |" for job in sorted(load.right)
        ]
        told += ["", f"Wrong answers: **{load.wrong.total()}**."]
        told += [f"- {count} × {what}" for what, count in load.wrong.most_common(20)]
        told += ["", "| Fault | What callers saw, other than right answers | |", "| --- | --- | ---: |"]
        told += [f"| {fault} | {words} | {count} |" for (fault, words), count in sorted(load.during.items())]
        told += ["", "| Process | PSS at half-time | at the end | grown by |", "| --- | ---: | ---: | ---: |"]
        grown = self.grown()
        for name, kept in sorted(self.before.items()):
            called = "aws (the emulator, not ours)" if name == _EMULATOR else name
            told.append(f"| {called} | {kept:.1f} MB | {self.after[name]:.1f} MB | {grown[name]:+.1%} |")
        told += ["", f"Told to stop under load, everything had ended after **{self.ended_in:.1f} s**."]
        return told


async def soak(system: System, minutes: float) -> Result:
    """Run the load, make the faults, compare, and end the system under load."""
    run = system.run
    users = await asyncio.to_thread(make_users, run, _PEOPLE)
    async with browsers(_CONNECTIONS) as transport:
        gate = asyncio.Semaphore(_CONNECTIONS)
        load = Load(run, users, transport, gate, await registration_endpoint(run.bridge))
        result = Result(load, minutes)
        work = asyncio.create_task(load.work())
        half = minutes * 30
        result.faults += await _in_turn(system, load, (*ENDING, *STAYING), half)
        result.before = await _memory(system, load)
        result.faults += await _in_turn(system, load, STAYING, half)
        result.after = await _memory(system, load)
        load.stopping = True  # answers no longer count, but requests go on until the very end
        result.ended_in = await asyncio.to_thread(end, system)
        await asyncio.wait([work], timeout=30)
    return result


async def _in_turn(system: System, load: Load, faults: Sequence[Fault], seconds: float) -> int:
    """One fault after the other, at even distances; longer runs begin again from the first."""
    rounds = max(1, round(seconds / (25 * len(faults))))
    slot = seconds / (rounds * len(faults))
    for fault in list(faults) * rounds:
        began = time.monotonic()
        load.begin(fault.name)
        await fault.make(system, min(fault.seconds, slot / 2))
        if fault.name == "envelope keys lost":
            load.keys_lost_at = time.monotonic()
        load.over()
        await asyncio.sleep(max(0.0, slot - (time.monotonic() - began)))
    return len(faults) * rounds


async def _memory(system: System, load: Load) -> dict[str, float]:
    """What each process holds once it has nothing to do."""
    load.paused.clear()
    await asyncio.sleep(_QUIET)
    gc.collect()
    held = {name: pss(pid) for name, pid in system.processes.pids().items()}
    load.paused.set()
    return held


def pss(pid: int) -> float:
    """The memory of a process in MB, shared pages by their share (proc(5), `Pss`)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"process {pid} says nothing about its memory")


def end(system: System) -> float:
    """End everything as Ctrl-C does; the seconds it took."""
    began = time.monotonic()
    children.stop(system.processes.parts)
    system.processes.ministack.stop()
    return time.monotonic() - began


async def registration_endpoint(bridge: str) -> str:
    """Where clients register, as the metadata say."""
    async with httpx.AsyncClient() as http:
        metadata = await http.get(f"{bridge}/.well-known/oauth-authorization-server")
    return metadata.json()["registration_endpoint"]


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; exit code 1 if something is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks soak", description="Mixed load with faults.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="also put the tables into this page")
    options = parser.parse_args(arguments)
    with own_stack() as (run, processes):
        result = asyncio.run(soak(System(run, processes), options.minutes))
    tables = "\n".join(result.lines())
    sys.stdout.write(tables + "\n")
    if options.write:
        write(options.write, _COMMAND, tables)
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
