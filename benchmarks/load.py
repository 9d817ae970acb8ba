"""The load generator: `wrk`, on the core that no server uses, with every answer checked."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import LOAD_CORE, Server, pinned
from mcp_demo.errors import SetupError

_SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, and the one answer that counts.

    Args:
        method: GET or POST.
        path: Where to.
        headers: Without Authorization.
        body: Of the request.
        status: Of the right answer.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: str
    status: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of the load generator against one server.

    Args:
        rate: Right answers a second.
        p50: Median time to the answer, in milliseconds.
        p99: In milliseconds.
        cpu: What the server's process spent on one answer, in microseconds of processor time.
        busy: Part of its core that the server used. Well below 1 at 32 connections, something else was the limit.
    """

    rate: float
    p50: float
    p99: float
    cpu: float
    busy: float


class WrongAnswer(Exception):
    """A server did not give the answer it should: whatever it did then must not count as fast."""


def require_wrk() -> None:
    """Fails where wrk is missing.

    Raises:
        SetupError: With the way to get it.
    """
    if shutil.which("wrk") is None:
        raise SetupError("The load generator wrk is missing.", "apt-get install wrk, or brew install wrk.")


@dataclass(slots=True)
class Tokens:
    """What goes into Authorization: one token, or a file of tokens, each used once before the first comes again."""

    file: Path
    count: int
    known: str
    used: int = 0


def run(
    server: Server, request: Request, answer: Path, connections: int, seconds: int, tokens: Tokens | str | None
) -> Sample:
    """Load one server for some seconds.

    Raises:
        WrongAnswer: One of its answers was not the right one.
    """
    body = answer.with_suffix(".request")
    body.write_text(request.body)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s", "-s", str(_SCRIPT)]
    for name, value in request.headers.items():
        command += ["-H", f"{name}: {value}"]
    if isinstance(tokens, str):
        command += ["-H", f"Authorization: Bearer {tokens}"]
    command += [f"http://127.0.0.1:{server.port}{request.path}", "--"]
    command += [request.method, str(body), str(request.status), str(answer)]
    if isinstance(tokens, Tokens):
        command += [str(tokens.file), str(tokens.used)]
    before = server.cpu_seconds()
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=pinned(LOAD_CORE), check=False)
    spent = server.cpu_seconds() - before
    if done.returncode != 0:
        raise WrongAnswer(f"{server.name}: wrk ended with {done.returncode}: {done.stderr.strip()[-200:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    if found["wrong"] or not found["requests"]:
        raise WrongAnswer(f"{server.name}: {found['wrong']} of {found['requests']} answers were wrong")
    if isinstance(tokens, Tokens):
        tokens.used = (tokens.used + found["requests"] + connections) % tokens.count
    return Sample(
        rate=found["requests"] / found["seconds"],
        p50=found["p50"] / 1000,
        p99=found["p99"] / 1000,
        cpu=spent / found["requests"] * 1e6,
        busy=spent / found["seconds"],
    )
