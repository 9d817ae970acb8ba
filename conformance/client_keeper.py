"""The parent of a client under test: nothing that the client started outlives it.

What a client starts may leave its session and wipe its environment; its line of descent it cannot leave. On Linux the
keeper is the one to whom orphans of its descendants fall (prctl, PR_SET_CHILD_SUBREAPER), so when the client has ended,
or SIGTERM says that it must, everything below the keeper is ended too. Elsewhere the client's process group is.

Like the errand of `client_browser` it knows nothing of this project, so that it starts quickly. It takes a file, into
which it writes why the command could not be started, and the command.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time

_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>
_PATIENCE = 1.0
_STRUGGLE = 5.0
_POLL = 0.01


class _Stop(BaseException):
    """The client has to end now."""


def keep(note: str, words: list[str]) -> int:
    """Run the command and end what it leaves; returns its wait status."""
    signal.signal(signal.SIGTERM, _stop)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    client, status = 0, 0
    try:
        try:
            # Kept in a variable: when it is forgotten it reaps a client that ended at once, and its status is lost.
            process = subprocess.Popen(words, start_new_session=True)
            client = process.pid
        except OSError as error:
            with open(note, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes longer to import
                file.write(error.strerror or str(error))
            return 0
        ended = 0
        while ended != client:  # orphans that end meanwhile are none of our concern
            ended, status = os.wait()
    except _Stop:
        status = _ask(client)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end(client)
    return status


def _stop(number: int, frame: object) -> None:
    raise _Stop


def _ask(client: int) -> int:
    """Let the client end by itself, for a moment."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _signal_group(client, signal.SIGTERM)
    end = time.monotonic() + _PATIENCE
    while client and time.monotonic() < end:
        ended, status = os.waitpid(client, os.WNOHANG)
        if ended:
            return status
        time.sleep(_POLL)
    return signal.SIGKILL


def _end(client: int) -> None:
    """End everything below this process; who is just starting somebody is seen in the next round."""
    end = time.monotonic() + _STRUGGLE
    while time.monotonic() < end:
        _signal_group(client, signal.SIGKILL)
        for number in _descendants():
            try:
                os.kill(number, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(_POLL)


def _signal_group(client: int, number: int) -> None:
    try:
        if client:
            os.killpg(client, number)
    except (ProcessLookupError, PermissionError):
        return


def _descendants() -> list[int]:
    """The processes below this one, where the system tells (Linux)."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc") if os.path.isdir("/proc/self") else ():  # noqa: PTH112, PTH208
        if entry.isdigit() and (parent := _parent(entry)):
            children.setdefault(parent, []).append(int(entry))
    found = [os.getpid()]
    for number in found:  # grows as it goes
        found += children.get(number, [])
    return found[1:]


def _parent(entry: str) -> int:
    try:
        with open(f"/proc/{entry}/stat", encoding="latin-1") as file:  # noqa: PTH123
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):  # it has just ended
        return 0


if __name__ == "__main__":
    ended = keep(sys.argv[1], sys.argv[2:])
    if os.WIFSIGNALED(ended):  # as the client ended, so its keeper
        fatal = os.WTERMSIG(ended)
        if fatal != signal.SIGKILL:  # nobody can handle that one, so there is nothing to reset
            signal.signal(fatal, signal.SIG_DFL)
        os.kill(os.getpid(), fatal)
    sys.exit(os.WEXITSTATUS(ended))
