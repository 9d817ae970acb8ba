"""A clock that is off: a part is started again with another time of day, by libfaketime, and then as before."""

import asyncio
import subprocess
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from benchmarks.faults import Made, Make, System, start_again
from mcp_demo.errors import SetupError
from mcp_demo.local import children
from mcp_demo.local.children import Child

_PLACES = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib*/faketime/libfaketime.so.1")


def require_faketime() -> Path:
    """Where the library is.

    Raises:
        SetupError: It is not there; with the way to get it.
    """
    found = [path for pattern in _PLACES for path in sorted(Path("/").glob(pattern.lstrip("/")))]
    if not found:
        raise SetupError("libfaketime is missing, which gives one process another clock.", "apt-get install faketime.")
    return found[0]


def clock_off(name: str, seconds_off: int) -> Make:
    """The clock of one part ahead of the others, or behind them."""

    async def make(system: System, seconds: float) -> Made:
        child = system.part(name)
        await asyncio.to_thread(_start_with, child, seconds_off)
        try:
            seen = await _clock_of(child)
            await asyncio.sleep(seconds)
        finally:
            await asyncio.to_thread(start_again, [child])
        return {f"clock seen {seen:+.0f} s off": 1} if abs(seen - seconds_off) < 3 else {}

    return make


def _start_with(child: Child, seconds_off: int) -> None:
    """Start a part as it was started before, with another clock. Its monotonic clock goes on as ever."""
    process = Path(f"/proc/{child.process.pid}")
    pairs = (pair.partition("=") for pair in (process / "environ").read_text().split("\0") if pair)
    environment = {name: value for name, _, value in pairs}
    folder = (process / "cwd").readlink()
    children.stop([child])
    clock = {
        "LD_PRELOAD": str(require_faketime()),
        "FAKETIME": f"{seconds_off:+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with child.log.open("wb") as log:
        child.process = subprocess.Popen(
            child.process.args,
            env=environment | clock,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    children.wait_until_healthy([child])


async def _clock_of(child: Child) -> float:
    """By how much the clock of a part is off, by the `Date` of its answers."""
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"http://127.0.0.1:{child.part.port}/health")
    return (parsedate_to_datetime(answer.headers["date"]) - datetime.now(UTC)).total_seconds()
