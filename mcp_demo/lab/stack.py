"""The running system, for a notebook: found, or started."""

import sys

from mcp_demo.errors import SetupError
from mcp_demo.local import state
from mcp_demo.local.detached import start as start_detached
from mcp_demo.local.ports import Ports
from mcp_demo.local.stack import Options
from mcp_demo.local.state import Run
from mcp_demo.settings import default_state


def start() -> Run:
    """The system that runs on this machine; if none does, it is started and goes on without the notebook.

    Where a usual port is taken by something else, the new one gets ports that are free.

    Raises:
        SetupError: The machine does not let us; says why and what to do.
    """
    folder = default_state().expanduser().resolve()
    running = state.current(folder, wait=True)
    if running is not None:
        return running
    sys.stdout.write("Starting the system, this takes a few seconds …\n")
    try:
        return start_detached(Options(folder, _ports()))
    except state.AlreadyRunning:  # another notebook was faster
        running = state.current(folder, wait=True)
        if running is None:
            raise
        return running


def stop() -> None:
    """End the system, whoever started it."""
    ended = state.end(default_state().expanduser().resolve())
    sys.stdout.write("Stopped.\n" if ended else "Nothing was running.\n")


def _ports() -> Ports:
    usual = Ports()
    try:
        usual.require_free(usual.names())
    except SetupError:
        return Ports.free()
    return usual
