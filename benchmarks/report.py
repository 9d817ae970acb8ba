"""The tables: on the terminal and in docs/performance.md, the same Markdown."""

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks.load import Sample
from benchmarks.ratios import Cell, Ratio, Results, added, verdict
from benchmarks.system import System

_ABOUT = """\
# Performance

Ratios first: absolute figures say more about the machine than about the code. Each ratio compares things that were
measured in the same run, in interleaved rounds, each with processes of its own, and is the median over the rounds.
Every answer was compared with the right one, status and body, byte for byte; a wrong one would have ended the run.

- Each server is a process of its own on one core, the same uvicorn with the same settings (uvloop, httptools); the load
  generator (`wrk`) has the other core. `at 1` and `at 32` are its connections, all on loopback, kept alive.
- `known`: one token again and again. `fresh`: another token with every request; none comes again before every verifier
  here has forgotten it.
- `bare`: an ASGI app that sends the very bytes of our challenge without a look at the request. `mcp-demo, open`: our
  endpoint without its authorization layer. `mcp SDK`: the official SDK, stateless, JSON answers, its own bearer layer,
  PyJWT with the key parsed once; `open`: without that layer. `FastMCP`: the same with its JWT verifier. All serve the
  same three tools, and all check signature, issuer, audience, expiry and scope.
- `CPU` is processor time of the server's process: it moves less when the machine has other things to do.

What makes our server quick: a plain request of the handshake era is answered by the SDK's own core,
`runner.serve_one`, as the SDK does since 2026-07-28, and not by a transport, streams and three tasks of its own; the
signature of a token is verified once, and what the token said is remembered by its digest (whether its key is still
published and its time not over is asked anew each time); a fresh token is parsed once, and those that come at the
same time are verified one after the other; challenges and documents are bytes since the start; since 2026-07-28
headers tell which scopes a request needs, so its body is left to the SDK, which compares the two; what lives as long
as the process is left out of garbage collections.

What our endpoint cannot have is a cheap fresh token beside a lean transport. In a loop RSA alone takes about 20 µs
and all our rules, the signature with them, 35; between two calls little of it is left in the processor's cache, and
it takes two to four times that (the second table below). The same goes for a known token: the whole layer takes 6 to
7 µs in a loop, and about 20 between two calls, which is just about the twentieth part of a call that its target
allows: some rows are above it, some below, and not the same ones in each run. The open endpoint of the handshake era
needed about 700 µs of processor time for a call as long as its transport was the SDK's; it needs less than half of
that now. The same layer is a larger share of a smaller whole: the ratios of that era against our own open endpoint
fell, and every answer came sooner, with a fresh token in less time than the SDK needs for one without any
authorization (at 32 connections). Leaving the leaner way out would mend the ratios and cost everybody half the speed.
"""


@dataclass
class Report:
    """All that was measured."""

    command: str
    seconds: float = 0
    results: Results = field(default_factory=dict[Cell, list[Sample]])
    memory: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, dict[str, float]])
    micro: Mapping[str, float] = field(default_factory=dict[str, float])
    starts: Mapping[str, float] = field(default_factory=dict[str, float])
    system: System | None = None

    @property
    def missed(self) -> list[Ratio]:
        """The ratios that are not good enough."""
        return [ratio for ratio in verdict(self.results) if not ratio.is_met]

    def text(self) -> str:
        """The whole document."""
        parts = [_ABOUT, f"Made by `{self.command}` in {self.seconds:.0f} s on {machine()}.\n"]
        parts += [*self._ratios(), *self._added(), *self._figures(), *self._small(), *self._large()]
        return "\n".join(parts)

    def _ratios(self) -> Iterable[str]:
        found = verdict(self.results)
        if found:
            rows = [
                (
                    ratio.what,
                    f"{ratio.value:.2f}",
                    f"{'≤' if ratio.at_most else '≥'} {ratio.target:g}",
                    "met" if ratio.is_met else "**missed**",
                    "" if ratio.cpu is None else f"{ratio.cpu:.2f}",
                )
                for ratio in found
            ]
            yield f"## Ratios\n\n{len(found) - len(self.missed)} of {len(found)} are met.\n"
            yield table(("Answers a second, ours / theirs", "Ratio", "Target", "Verdict", "By CPU"), rows)

    def _added(self) -> Iterable[str]:
        rows = [
            (question, str(connections), f"{known:+.0f}", f"{fresh:+.0f}")
            for question, connections, known, fresh in added(self.results)
        ]
        if rows:
            yield "\n## What authorization adds to a call\n"
            yield table(("Request", "At", "Known token, CPU µs", "Fresh token, CPU µs"), rows)

    def _figures(self) -> Iterable[str]:
        if self.results:
            rows = [
                (
                    cell.question,
                    str(cell.connections),
                    cell.server,
                    cell.token,
                    f"{median(sample.rate for sample in samples):,.0f}",
                    f"{median(sample.cpu for sample in samples):.0f}",
                    f"{median(sample.p50 for sample in samples):.2f}",
                    f"{median(sample.p99 for sample in samples):.2f}",
                    f"{median(sample.busy for sample in samples):.0%}",
                )
                for cell, samples in self.results.items()
            ]
            heads = ("Request", "At", "Server", "Token", "Answers/s", "CPU µs", "p50 ms", "p99 ms", "Core used")
            yield "\n## Figures behind them\n"
            yield table(heads, rows)

    def _small(self) -> Iterable[str]:
        if self.micro:
            yield "\n## Small things\n"
            yield table(("Once", "CPU µs"), [(name, f"{value:.1f}") for name, value in self.micro.items()])
        if self.starts:
            yield "\n## Start of a Python process\n"
            yield table(("Command", "Seconds"), [(f"`{name}`", f"{value:.2f}") for name, value in self.starts.items()])

    def _large(self) -> Iterable[str]:
        memory = {**self.memory}
        if self.system:
            yield "\n## The whole system, one request after the other\n"
            yield table(("What", "Seconds"), [(name, f"{value:.3f}") for name, value in self.system.seconds.items()])
            memory |= {f"mcp-demo up: {part}": pages for part, pages in self.system.memory.items()}
        if memory:
            rows = [(name, f"{size.get('Pss', 0):.0f}", f"{size.get('Rss', 0):.0f}") for name, size in memory.items()]
            yield "\n## Memory of each process, after the load\n"
            yield table(("Process", "PSS MiB", "RSS MiB"), rows)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, its columns aligned."""
    widths = [max(len(line[column]) for line in (heads, *rows)) for column in range(len(heads))]
    lines = [heads, ["-" * width for width in widths], *rows]
    return "".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |\n" for line in lines
    )


def machine() -> str:
    """When, where and with what this is measured."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("mcp", "uvicorn", "uvloop", "httptools", "cryptography")
    )
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    return (
        f"{when}: {os.cpu_count()} cores ({model}), {platform.system()} {platform.release()},"
        f" Python {platform.python_version()}, {packages}. Load average before: {_LOAD_BEFORE}"
    )


_LOAD_BEFORE = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
