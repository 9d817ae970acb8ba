"""The whole system: how long it takes to come up, to let a person in, and to judge it; and what each process weighs."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx

from benchmarks.servers import Server
from mcp_demo.local import state
from mcp_demo.local.state import Run

_COMMAND = (sys.executable, "-m", "mcp_demo.cli")
_TIMES = 10


@dataclass(frozen=True, slots=True)
class System:
    """What came of it.

    Args:
        seconds: By what was done.
        memory: MiB by process: its own pages and its share of those it has in common with others (PSS), and RSS.
    """

    seconds: dict[str, float]
    memory: dict[str, dict[str, float]]


class StepFailed(Exception):
    """A step did not end as it should: its time would mean nothing."""


def measure(folder: Path, say: Callable[[str], None]) -> System:
    """Start the system, use it, judge it, end it.

    Raises:
        StepFailed: One of these did not work.
    """
    home = folder / "run"
    seconds: dict[str, float] = {}

    def timed(name: str, *arguments: str) -> None:
        say(name)
        begun = time.perf_counter()
        _command(*arguments, state=home)
        seconds[name] = time.perf_counter() - begun

    timed("mcp-demo up", "up", "--detach", "--free-ports", "--json")
    try:
        run = state.current(home)
        if run is None:
            raise StepFailed("mcp-demo up left no run.")
        timed("whole flow, headless: discovery to token", "token", "--headless")
        seconds |= _bridge(run, say)
        memory = {part: Server(part, 0, pid).memory() for part, pid in run.pids.items()}
        timed("conformance run: server, bridge and a sign-in", "conformance", "run", "--quiet", "--stack", str(home))
    finally:
        timed("mcp-demo down", "down")
    return System(seconds, memory)


def _bridge(run: Run, say: Callable[[str], None]) -> dict[str, float]:
    """The bridge's token endpoint and the registration behind it, one request after the other: medians."""
    say("bridge and registration")
    refresh = _stored(run.state / "tokens.json", "refresh_token")
    redirect = {"redirect_uris": [f"{run.clients['static']}/callback"], "token_endpoint_auth_method": "none"}
    with httpx.Client(timeout=30) as http:
        metadata = http.get(f"{run.bridge}/.well-known/oauth-authorization-server").raise_for_status().json()
        form = {"grant_type": "refresh_token", "client_id": run.client_id, "resource": run.server}

        def token(value: str, status: int) -> httpx.Response:
            return _expect(http.post(metadata["token_endpoint"], data=form | {"refresh_token": value}), status)

        def register() -> httpx.Response:
            return _expect(http.post(metadata["registration_endpoint"], json=redirect), 201)

        return {
            "bridge: discovery document": _typical(
                lambda: http.get(f"{run.bridge}/.well-known/oauth-authorization-server")
            ),
            "bridge: token endpoint, refused by itself": _typical(lambda: token("made-up", 400)),
            "bridge: token endpoint, refreshed at the user pool": _typical(lambda: token(refresh, 200)),
            "registration: API Gateway, Lambda, DynamoDB (emulated)": _typical(register),
        }


def _typical(act: Callable[[], object]) -> float:
    times: list[float] = []
    for _ in range(_TIMES):
        begun = time.perf_counter()
        act()
        times.append(time.perf_counter() - begun)
    return median(times)


def _expect(response: httpx.Response, status: int) -> httpx.Response:
    if response.status_code != status:
        raise StepFailed(f"{response.request.url.path} answers {response.status_code}: {response.text[:200]}")
    return response


def _stored(file: Path, name: str) -> str:
    """A member of what the client keeps: JSON texts, and some that are none."""
    kept = "".join(json.loads(file.read_text()).values())
    found = re.search(rf'"{name}": ?"([^"]+)"', kept)
    if found is None:
        raise StepFailed(f"There is no {name} among the stored grants.")
    return found[1]


def _command(*arguments: str, state: Path) -> None:
    done = subprocess.run(
        [*_COMMAND, *arguments],
        env={**os.environ, "MCP_DEMO_STATE": str(state)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise StepFailed(f"mcp-demo {arguments[0]} ended with {done.returncode}: {' '.join(last)}")
