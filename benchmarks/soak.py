"""Minutes of mixed load while one fault follows another: answers judged, memory compared, the end timed.

    python -m benchmarks soak --minutes 10

In the first half processes are killed, started again and given other keys and clocks. The second half has only faults
that every process survives: what a process holds at its start is compared with what it holds at its end. `--seed`
repeats the choices of the load; how requests meet each other is up to the machine.
"""

import argparse
import asyncio
import random
import secrets
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.fault_list import ENDING, STAYING
from benchmarks.faults import Fault, System
from benchmarks.faults_clock import require_faketime
from benchmarks.logins import make_users, own_stack
from benchmarks.mixed import Load
from benchmarks.pages import write
from benchmarks.report import machine
from benchmarks.verdicts import Verdicts
from benchmarks.visitor import browsers
from benchmarks.wiring import wired
from mcp_demo.dcr.sweep import every_client, sweep
from mcp_demo.deploy.profile import Profile
from mcp_demo.errors import SetupError
from mcp_demo.local import children
from mcp_demo.local.stack import Processes
from mcp_demo.local.state import Run
from mcp_demo.registry.dynamodb import COUNTER, DynamoDBRegistry
from mcp_demo.settings import BridgeSettings

_COMMAND = "python -m benchmarks soak"
_QUIET = 4.0  # seconds until what was under way has ended
_PEOPLE = 20
_CONNECTIONS = 40
_GROWTH = 0.10  # part by which the memory of a process may grow
_END = 5.0  # seconds that the end may take
_EMULATOR = "aws"


@dataclass
class Result:
    """What came of it."""

    verdicts: Verdicts
    minutes: float
    seed: int
    faults: int = 0
    before: Mapping[str, float] = field(default_factory=dict[str, float])
    after: Mapping[str, float] = field(default_factory=dict[str, float])
    ended_in: float = 0.0
    counted_wrong: tuple[int, int] = (0, 0)

    def grown(self) -> dict[str, float]:
        """By what part the memory of each of our processes grew."""
        return {name: self.after[name] / kept - 1 for name, kept in self.before.items()}

    @property
    def is_good(self) -> bool:
        """No wrong answer, no leak, a clean end. The emulator's memory is shown but is not ours to judge."""
        leaks = [name for name, part in self.grown().items() if part > _GROWTH and name != _EMULATOR]
        took_place = all(made.total() for made in self.verdicts.made.values())
        return not (self.verdicts.wrong or leaks or self.counted_wrong[1]) and took_place and self.ended_in <= _END

    def lines(self) -> list[str]:
        """The tables, in Markdown."""
        load = self.verdicts
        told = [f"{self.minutes:g} minutes, {self.faults} faults, seed {self.seed}, on {machine()}.", ""]
        told += ["| Load | right | excused by a fault |", "| --- | ---: | ---: |"]
        told += [
            f"| {job.replace('_', ' ')} | {load.right[job]:,} | {load.excused[job]:,} |" for job in sorted(load.right)
        ]
        told += ["", f"Wrong answers: **{load.wrong.total()}**."]
        told += [f"- {count} × {what}" for what, count in load.wrong.most_common(20)]
        told += [
            "",
            "| Fault | Really done | What callers saw, other than right answers | |",
            "| --- | --- | --- | ---: |",
        ]
        told += [line for fault in sorted(load.made) for line in self._rows_of(fault)]
        told += ["", "| Process | PSS at half-time | at the end | grown by |", "| --- | ---: | ---: | ---: |"]
        grown = self.grown()
        for name, kept in sorted(self.before.items()):
            called = "aws (the emulator, not ours)" if name == _EMULATOR else name
            told.append(f"| {called} | {kept:.1f} MB | {self.after[name]:.1f} MB | {grown[name]:+.1%} |")
        before, after = self.counted_wrong
        told += [
            "",
            f"Registrations cut halfway: clients miscounted by {before} before the sweep, by {after} after it.",
        ]
        told += ["", f"Told to stop under load, everything had ended after **{self.ended_in:.1f} s**."]
        return told

    def _rows_of(self, fault: str) -> list[str]:
        made = (
            ", ".join(f"{count} × {what}" for what, count in sorted(self.verdicts.made[fault].items())) or "**nothing**"
        )
        jobs, counts = defaultdict[str, set[str]](set), Counter[str]()
        for (name, words), count in self.verdicts.during.items():
            if name == fault:
                job, _, said = words.partition(": ")
                jobs[said].add(job.replace("_", " "))
                counts[said] += count
        seen = sorted((", ".join(sorted(jobs[said])), said, count) for said, count in counts.items())
        rows = [f"{who}: {said} | {count:,}" for who, said, count in seen] or ["nobody noticed | 0"]
        return [f"| {fault} | {made} | {row} |" for row in rows]


async def soak(run: Run, processes: Processes, minutes: float, seed: int) -> Result:
    """Run the load, make the faults, compare, and end the system under load."""
    async with wired(run, processes) as system:
        return await _soak(system, minutes, seed)


async def _soak(system: System, minutes: float, seed: int) -> Result:
    run = system.run
    users = await asyncio.to_thread(make_users, run, _PEOPLE)
    async with browsers(_CONNECTIONS) as transport:
        gate = asyncio.Semaphore(_CONNECTIONS)
        register_at = await registration_endpoint(run.bridge)
        load = Load(run, users, transport, gate, register_at, dice=random.Random(seed))  # noqa: S311 - nothing secret
        result = Result(load.verdicts, minutes, seed)
        work = asyncio.create_task(load.work())
        half = minutes * 60 / 2
        result.faults += await _in_turn(system, load, (*ENDING, *STAYING), half)
        async with _quiet(load):
            result.before = _memory(system)
        result.faults += await _in_turn(system, load, STAYING, half)
        async with _quiet(load):
            result.after = _memory(system)
            result.counted_wrong = await asyncio.to_thread(swept, run)
        load.verdicts.stopping = True  # answers no longer count, but requests go on until the very end
        result.ended_in = await asyncio.to_thread(end, system)
        await asyncio.wait([work], timeout=30)
    return result


async def _in_turn(system: System, load: Load, faults: Sequence[Fault], seconds: float) -> int:
    """One fault after the other, at even distances; longer runs begin again from the first."""
    rounds = max(1, round(seconds / (25 * len(faults))))
    slot = seconds / (rounds * len(faults))
    for fault in list(faults) * rounds:
        began = time.monotonic()
        sys.stderr.write(f"{fault.name}\n")
        load.verdicts.begin(fault)
        made = await fault.make(system, min(fault.seconds, slot / 2))
        load.verdicts.over(made)
        await asyncio.sleep(max(0.0, slot - (time.monotonic() - began)))
    return len(faults) * rounds


@asynccontextmanager
async def _quiet(load: Load) -> AsyncGenerator[None]:
    """Nobody sends anything, and what was under way has ended."""
    load.running.clear()
    await asyncio.sleep(_QUIET)
    yield
    load.running.set()


def _memory(system: System) -> dict[str, float]:
    """What each process holds, in MB."""
    return {name: pss(pid) for name, pid in system.processes.pids().items()}


def swept(run: Run) -> tuple[int, int]:
    """By how many clients the registry miscounts what was begun and cut, before the hourly sweep and after it.

    Every row is read as the bridge reads it: one that is not whole ends this with an error.
    """
    settings = BridgeSettings.load(run.state / "env" / "bridge.env")
    table, rows = settings.clients_table or "", Profile.local(run.aws).client("dynamodb")
    store = DynamoDBRegistry(rows, table)

    def off() -> int:
        there = sum(client.source == "dcr" for client in every_client(store))
        counter = rows.get_item(TableName=table, Key={"client_id": {"S": COUNTER}}, ConsistentRead=True)
        return abs(int(counter["Item"]["n"]["N"]) - there)

    before = off()
    sweep(store, None, time.time())
    return before, off()


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
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000), help="the choices of the load")
    options = parser.parse_args(arguments)
    try:
        require_faketime()
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 4
    with own_stack() as (run, processes):
        result = asyncio.run(soak(run, processes, options.minutes, options.seed))
    tables = "\n".join(result.lines())
    sys.stdout.write(tables + "\n")
    if options.write:
        write(options.write, _COMMAND, tables)
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
