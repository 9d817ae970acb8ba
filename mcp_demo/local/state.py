"""What a local run leaves in its state folder: who runs it, and what it serves (design §5, `--json`)."""

import fcntl
import json
import os
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.files import private_folder, write_private
from mcp_demo.deploy.users import User
from mcp_demo.errors import SetupError
from mcp_demo.settings import Audience

_TURN = 0.05
_START_DEADLINE = 60.0
_STOP_DEADLINE = 15.0
_PROBES_PASS = 0.5


@dataclass(frozen=True, slots=True)
class Run:
    """A running system.

    Attributes:
        server: The MCP endpoint URL, which is the resource identifier.
        bridge: The bridge's issuer identifier.
        clients: The browser clients by kind: static, dcr, cimd.
        domain: The user-pool domain.
        aws: The embedded AWS.
        user: Who can sign in.
        audience: How tokens show what they are for.
        issuer: The user pool's issuer.
        jwks_uri: Where the user pool publishes its keys.
        state: The folder of this run.
        client_id: The pre-registered client.
        pids: The processes by part; `supervisor` ends them all.
        downstream: The API that the MCP server calls for people, if there is one.
    """

    server: str
    bridge: str
    clients: dict[str, str]
    domain: str
    aws: str
    user: User
    audience: Audience
    issuer: str
    jwks_uri: str
    state: Path
    client_id: str
    pids: dict[str, int]
    downstream: str | None = None

    def public(self) -> dict[str, Any]:
        """The object that `mcp-demo up --json` prints."""
        everything = self.to_dict()
        del everything["client_id"], everything["pids"]
        return everything

    def endpoints(self) -> Endpoints:
        """The addresses of this run, as a deployment wants them."""
        usual = Endpoints()
        return Endpoints(
            mcp=self.server,
            bridge=self.bridge,
            static=self.clients.get("static", usual.static),
            auto=self.clients.get("dcr", usual.auto),
            metadata=self.clients.get("cimd", usual.metadata),
            domain=self.domain,
            aws=self.aws,
            key_dir=self.state / "aws" / "cognito-pool-keys",
            audience=self.audience,
            downstream=self.downstream,
        )

    def to_dict(self) -> dict[str, Any]:
        """What is written to `run.json`."""
        values: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        user = {"username": self.user.username, "password": self.user.password}
        return {**values, "state": str(self.state), "user": user}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Run":
        """The reverse of `to_dict`."""
        parsed: dict[str, Any] = {"state": Path(values["state"]), "user": User(**values["user"])}
        return cls(**{**values, **parsed})

    def save(self) -> None:
        """Make the run known to others."""
        write_private(_run_file(self.state), json.dumps(self.to_dict(), indent=2))


@contextmanager
def ownership(state: Path) -> Generator[bool]:
    """Hold the state folder for the length of a `with` block; yields whether a killed run left things behind.

    The system drops the lock when its holder dies, however it dies: a lock is never stale, unlike a file with a pid.

    Raises:
        AlreadyRunning: Someone else holds it.
        SetupError: The folder cannot be written.
    """
    private_folder(state)
    private_folder(state / "logs")
    with _lock_file(state).open("a+", encoding="ascii") as lock:
        if not _try_lock(lock.fileno(), fcntl.LOCK_EX, _PROBES_PASS):
            raise AlreadyRunning(state)
        lock.seek(0)
        left_behind = bool(lock.read())
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        _run_file(state).unlink(missing_ok=True)
        try:
            yield left_behind
        finally:
            _run_file(state).unlink(missing_ok=True)
            lock.truncate(0)


class AlreadyRunning(SetupError):
    """The state folder belongs to a run that is under way."""

    def __init__(self, state: Path) -> None:
        super().__init__(
            f"A run in {state} is under way.", "Use it, end it with `mcp-demo down`, or give `--state DIR`."
        )


def is_held(state: Path) -> bool:
    """Whether a run in this folder is starting, serving or ending."""
    try:
        with _lock_file(state).open("r", encoding="ascii") as lock:
            return not _try_lock(lock.fileno(), fcntl.LOCK_SH, 0.0)
    except OSError:
        return False


def current(state: Path, *, wait: bool = False) -> Run | None:
    """The run that serves from this folder, if any; with `wait`, one that is starting is waited for."""
    deadline = time.monotonic() + (_START_DEADLINE if wait else 0.0)
    while is_held(state):
        with suppress(OSError, ValueError, KeyError, TypeError):
            return Run.from_dict(json.loads(_run_file(state).read_text(encoding="utf-8")))
        if time.monotonic() >= deadline:
            return None
        time.sleep(_TURN)
    return None


def end(state: Path) -> bool:
    """End the run in this folder, and wait until it is gone; returns whether there was one.

    Raises:
        SetupError: It does not end.
    """
    if not is_held(state):
        _run_file(state).unlink(missing_ok=True)
        return False
    with suppress(OSError, ValueError):
        pid = int(_lock_file(state).read_text(encoding="ascii"))
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_DEADLINE
    while is_held(state):
        if time.monotonic() > deadline:
            raise SetupError(f"The run in {state} does not end.", f"Its process id is in {_lock_file(state)}.")
        time.sleep(_TURN)
    return True


def _try_lock(descriptor: int, kind: int, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_TURN)
        else:
            return True


def _lock_file(state: Path) -> Path:
    return state / "lock"


def _run_file(state: Path) -> Path:
    return state / "run.json"
