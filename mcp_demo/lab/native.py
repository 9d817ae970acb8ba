"""Cognito's own dynamic client registration, for as long as a notebook looks at it."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn

from mcp_demo.local.domain.app import create_app
from mcp_demo.local.ports import Ports
from mcp_demo.local.state import Run
from mcp_demo.settings import DomainSettings, NativeRegistration

_DEADLINE = 15.0


@contextmanager
def registration(run: Run) -> Generator[str]:
    """The user-pool domain of a run once more, on a port of its own, with registration open to all; its endpoint.

    On AWS one would set `DcrConfiguration` of the user pool's domain; the running stand-in keeps it switched off.
    """
    port = Ports.free().domain
    own = {
        "domain": f"http://localhost:{port}",
        "state_dir": None,
        "native_registration": NativeRegistration(open=True),
    }
    settings = DomainSettings.load(run.state / "env" / "domain.env").model_copy(update=own)
    config = uvicorn.Config(create_app(settings), port=port, log_level="critical", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        _wait(server)
        yield f"http://localhost:{port}/oauth2/register"
    finally:
        server.should_exit = True
        thread.join()


def _wait(server: uvicorn.Server) -> None:
    deadline = time.monotonic() + _DEADLINE
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
