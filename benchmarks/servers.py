"""The servers under load: each a process of its own, all on one core, the same uvicorn with the same settings."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from benchmarks.issuer import ISSUER, METADATA_PATH, RESOURCE
from mcp_demo.errors import SetupError

SERVER_CORE, LOAD_CORE = 0, 1
_SERVED = Path(__file__).with_name("served")

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "bare": ("run", "benchmarks.served.bare:create_app"),
    "mcp-demo": ("run", "mcp_demo.server.app:create_app"),
    "mcp-demo, open": ("run", "benchmarks.served.open:create_app"),
    "mcp SDK": ("run", "benchmarks.served.sdk:create_app"),
    "mcp SDK, open": ("run", "benchmarks.served.sdk:create_open_app"),
    "FastMCP": ("uv", "fastmcp_server.py"),
}
"""How each is started. `run` is the way our own server is started, `uv` an environment of its own."""


def pinned(core: int) -> Callable[[], None] | None:
    """What binds a child process to a core, where the system can and has two."""
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        return None
    cores = sorted(os.sched_getaffinity(0))
    return partial(os.sched_setaffinity, 0, {cores[core]})


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs."""

    name: str
    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """The processor time its threads have used so far, to the nanosecond where the system counts that."""
        tasks = Path(f"/proc/{self.pid}/task")
        if not tasks.is_dir():
            return 0.0
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9

    def memory(self) -> dict[str, float]:
        """RSS and PSS in MiB."""
        rollup = Path(f"/proc/{self.pid}/smaps_rollup")
        if not rollup.is_file():
            return {}
        fields = (line.split() for line in rollup.read_text().splitlines()[1:])
        return {name[:-1]: int(size) / 1024 for name, size, *_ in fields if name in ("Rss:", "Pss:")}


@contextmanager
def serving(names: list[str], jwks_uri: str, folder: Path) -> Generator[list[Server]]:
    """Start these servers, and stop them in the end.

    Raises:
        SetupError: One of them does not come up, or a tool is missing.
    """
    with ExitStack() as stack:
        processes = [(name, *_start(stack, name, jwks_uri, folder)) for name in names]
        yield [_wait(name, port, process, folder) for name, port, process in processes]


def _start(stack: ExitStack, name: str, jwks_uri: str, folder: Path) -> tuple[int, subprocess.Popen[bytes]]:
    kind, target = COMMANDS[name]
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    settings = {
        "MCP_DEMO_MCP_URL": RESOURCE,
        "MCP_DEMO_AUTHORIZATION_SERVERS": '["https://login.example.com"]',
        "MCP_DEMO_ISSUER": ISSUER,
        "MCP_DEMO_JWKS_URI": jwks_uri,
        "MCP_DEMO_ENV_FILE": str(folder / "none.env"),
    }
    if kind == "uv":
        uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
        if uv is None:
            raise SetupError("uv is missing; FastMCP runs in an environment of its own.", "pip install uv.")
        command = [uv, "run", "--quiet", "--script", str(_SERVED / target), str(port)]
    else:
        command = [sys.executable, "-m", "mcp_demo.local.run", target, "--port", str(port)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MCP_DEMO_")}
    log = stack.enter_context(_log(folder, name).open("wb"))
    process = subprocess.Popen(
        command,
        env=environment | settings,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        preexec_fn=pinned(SERVER_CORE),
    )
    stack.callback(_stop, process)
    return port, process


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(name: str, port: int, process: subprocess.Popen[bytes], folder: Path) -> Server:
    deadline = time.monotonic() + 120  # the first start of FastMCP downloads it
    while process.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(f"http://127.0.0.1:{port}{METADATA_PATH}", headers={"host": "mcp.example.com"})
            return Server(name, port, _innermost(process.pid))
        except httpx.TransportError:
            time.sleep(0.05)
    last = _log(folder, name).read_text(errors="replace").strip().splitlines()[-1:]
    raise SetupError(f"{name} does not come up: {' '.join(last) or 'no word'}.", "See whether it starts by itself.")


def _innermost(pid: int) -> int:
    """The process that serves: `uv run` starts it as its child."""
    tasks = Path(f"/proc/{pid}/task")
    found = [child for task in tasks.glob("*/children") for child in task.read_text().split()]
    return _innermost(int(found[0])) if found else pid


def _log(folder: Path, name: str) -> Path:
    return folder / f"{name.replace(' ', '-').replace(',', '')}.log"
