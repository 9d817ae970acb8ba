"""A child process that ends with its parent, however the parent dies.

The parent holds the writing end of the child's standard input and never writes. When the parent is gone, `kill -9`
included, the system closes that end and the child reads the end of file. Works on every POSIX system.
"""

import os
import sys
import threading
from collections.abc import Callable

_READ_AT_ONCE = 1024


def watch_parent(on_death: Callable[[], None]) -> None:
    """Call `on_death`, in a thread of its own, once standard input ends; at a terminal nobody is watched."""
    if sys.stdin is None or sys.stdin.isatty():  # pyright: ignore[reportUnnecessaryComparison]  # closed at start: None
        return

    def wait() -> None:
        while os.read(0, _READ_AT_ONCE):
            pass
        on_death()

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
