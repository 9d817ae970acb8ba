"""The client under test as a command: run once for each scenario, in a home of its own, with a browser that approves.

The command is told the server's URL as its last argument, or where it says `{url}`. Its environment has, besides ours:

    MCP_CONFORMANCE_SCENARIO          the scenario's name
    MCP_CONFORMANCE_PROTOCOL_VERSION  the revision of MCP
    MCP_CONFORMANCE_CONTEXT           JSON: client_id, client_secret and their issuer, in the scenarios that give them
    BROWSER                           a program that follows a URL and approves
    HOME                              an empty folder, so that nothing is left over from before, and nothing afterwards
    HTTP_PROXY, HTTPS_PROXY           this suite, for what is not on this machine
"""

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from conformance.personas.play import Ended, Play
from conformance.personas.scenario import Scenario
from conformance.personas.serving import free_ports, serving
from conformance.personas.world import World

_BROWSERS = ("browser", "xdg-open", "open", "sensible-browser", "x-www-browser", "wslview")
_POLL = 0.02
_KEEPERS_TIME = 10.0
_ROUNDS = 20
_MAX_OUTPUT = 256 * 1024
_TOO_MUCH = 64 * 1024 * 1024


class Command:
    """Runs a client.

    Args:
        words: The command and its arguments.
        limit: Seconds that a run may take.
        patience: Seconds without a request after which a client that still runs is stopped.
    """

    def __init__(self, words: Sequence[str], *, limit: float = 30.0, patience: float = 5.0) -> None:
        self._words, self._limit, self._patience = tuple(words), limit, patience

    def __call__(self, scenario: Scenario, revision: str) -> Play:
        """Run the client in a scenario."""
        with tempfile.TemporaryDirectory(prefix="mcp-client-", ignore_cleanup_errors=True) as folder:
            place = Path(folder)
            (place / "home").mkdir()
            listeners = free_ports()
            *ports, proxy = [listener.getsockname()[1] for listener in listeners]
            world = World(ports, revision, listening=listening_at, canary_file=str(place / "canary"))
            scenario.prepare(world)
            with serving(world, listeners):
                return self._run(scenario, world, place, proxy)

    def _run(self, scenario: Scenario, world: World, place: Path, proxy: int) -> Play:
        words = [word.replace("{url}", world.server.url) for word in self._words]
        if not any("{url}" in word for word in self._words):
            words.append(world.server.url)
        with (place / "output").open("w+b") as output:
            note = place / "not-started"
            ended, status = self._watch(
                [*_keeper(note), *words], _environment(scenario, world, place, proxy), world, output
            )
            if reason := _content(note):
                ended, status = "not started", None
                output.write(f"{words[0]}: ".encode() + reason)
            output.seek(0)
            said = output.read(_MAX_OUTPUT).decode("utf-8", "replace")
        opened = (_content(place / "opened") or b"").decode("utf-8", "replace")
        return Play(
            scenario,
            world,
            ended,
            status,
            said,
            tuple(opened.splitlines()),
            exposed(place / "home", world.secrets),
            (place / "canary").exists(),
        )

    def _watch(
        self, words: Sequence[str], environment: Mapping[str, str], world: World, output: IO[bytes]
    ) -> tuple[Ended, int | None]:
        process = subprocess.Popen(
            words,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return self._await(process, world, output)
        finally:
            _stop(process)
            _stop_strays(environment["HOME"])

    def _await(self, process: "subprocess.Popen[bytes]", world: World, output: IO[bytes]) -> tuple[Ended, int | None]:
        end, seen, since = time.monotonic() + self._limit, 0, time.monotonic()
        while process.poll() is None:
            now = time.monotonic()
            if len(world.hits) != seen:
                seen, since = len(world.hits), now
            if seen and now - since > self._patience:
                return "stopped", None
            if now > end or os.fstat(output.fileno()).st_size > _TOO_MUCH:  # nor may it fill the disk
                return "too slow", None
            time.sleep(_POLL)
        return "exited", process.returncode


def _environment(scenario: Scenario, world: World, place: Path, proxy: int) -> Mapping[str, str]:
    address = f"http://127.0.0.1:{proxy}"
    here = "localhost,127.0.0.1,::1"
    home = Path.home()
    return {
        # Tools that were downloaded before need not be downloaded again.
        "XDG_CACHE_HOME": str(home / ".cache"),
        "npm_config_cache": str(home / ".npm"),
        **{name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")},
        "HOME": str(place / "home"),
        "XDG_CONFIG_HOME": str(place / "home" / ".config"),
        "XDG_DATA_HOME": str(place / "home" / ".local" / "share"),
        "XDG_STATE_HOME": str(place / "home" / ".local" / "state"),
        "PATH": f"{_browsers(place)}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "BROWSER": str(place / "bin" / "browser"),
        "HTTP_PROXY": address,
        "HTTPS_PROXY": address,
        "http_proxy": address,
        "https_proxy": address,
        "NO_PROXY": here,
        "no_proxy": here,
        "NODE_USE_ENV_PROXY": "1",
        "MCP_CONFORMANCE_SCENARIO": scenario.name,
        "MCP_CONFORMANCE_PROTOCOL_VERSION": world.revision,
        "MCP_CONFORMANCE_CONTEXT": json.dumps(scenario.told(world)),
    }


def _keeper(note: Path) -> Sequence[str]:
    return (sys.executable, "-I", "-S", str(Path(__file__).with_name("client_keeper.py")), str(note))


def _browsers(place: Path) -> Path:
    """A folder with programs that open a browser; each notes the URL, and leaves at once as a browser's opener does."""
    folder = place / "bin"
    folder.mkdir()
    errand = Path(__file__).with_name("client_browser.py")
    text = (
        "#!/bin/sh\n"
        f"printf '%s\\n' \"$*\" >> '{place / 'opened'}'\n"
        f"'{sys.executable}' -I '{errand}' \"$@\" >/dev/null 2>&1 </dev/null &\n"
    )
    for name in _BROWSERS:
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o700)
    return folder


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Have the keeper end the client and whatever it started."""
    process.terminate()
    try:
        process.wait(_KEEPERS_TIME)
    except subprocess.TimeoutExpired:  # somebody stopped it
        process.kill()
        process.wait()


def _stop_strays(home: str) -> None:
    """End what outlived the keeper, since somebody killed that: it still has the home of this run in its environment.

    Where the system shows no environments (only Linux does), and for who wiped its own, nothing is done.
    """
    mark = f"HOME={home}".encode()
    for _ in range(_ROUNDS):  # who is just starting somebody is seen in the next round
        found = [number for number in _processes() if mark in _environment_of(number).split(b"\0")]
        if not found:
            return
        for number in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(number, signal.SIGKILL)
        time.sleep(_POLL)


def _processes() -> list[int]:
    proc = Path("/proc")
    return [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()] if proc.exists() else []


def _environment_of(number: int) -> bytes:
    try:
        return Path(f"/proc/{number}/environ").read_bytes()
    except OSError:  # somebody else's, or gone
        return b""


def exposed(folder: Path, secrets: Sequence[str]) -> tuple[str, ...]:
    """The files below a folder that others can read and that have a secret in them."""
    found: list[str] = []
    for path in folder.rglob("*"):
        content = _content(path, only=stat.S_IRGRP | stat.S_IROTH) or b""
        if any(secret.encode() in content for secret in secrets):
            found.append(str(path.relative_to(folder)))
    return tuple(sorted(found))


def _content(path: Path, only: int = 0o777) -> bytes | None:
    """What is in a file that a client may have put there: nothing if it is none, has other modes, or is too large."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a FIFO would wait for a writer
    except OSError:
        return None
    try:
        about = os.fstat(number)
        if not stat.S_ISREG(about.st_mode) or not about.st_mode & only or about.st_size > _MAX_OUTPUT:
            return None
        return os.read(number, _MAX_OUTPUT)
    except OSError:
        return None
    finally:
        os.close(number)


def listening_at(port: int) -> tuple[str, ...]:
    """The addresses at which a port of this machine is listened on, where the system tells (Linux)."""
    found: list[str] = []
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if port and table.exists():
            rows = [line.split() for line in table.read_text(encoding="ascii").splitlines()[1:]]
            found += [row[1].partition(":")[0] for row in rows if row[3] == "0A" and _port_of(row[1]) == port]
    return tuple("any" if not address.strip("0") else address for address in found)


def _port_of(address: str) -> int:
    return int(address.partition(":")[2], 16)
