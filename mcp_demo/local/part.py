"""Warm up a part while its settings are still being made: `python -m mcp_demo.local.part MODULE:FACTORY --port N`.

Imports are most of a part's start. They need no deployment, so they run beside it; then the part waits for the file
`$MCP_DEMO_ENV_FILE` and becomes `mcp_demo.local.run`.
"""

import importlib
import os
import select
import sys
from contextlib import suppress
from pathlib import Path

from mcp_demo.local import run

_TURN = 0.02


def main(arguments: list[str]) -> int:
    """Import, wait, serve; returns the exit code. Ends at once when the parent does."""
    with suppress(ImportError):  # `run` reports it, in one line
        importlib.import_module(arguments[0].partition(":")[0])
    env_file = Path(os.environ["MCP_DEMO_ENV_FILE"])
    while not env_file.exists():
        ended, _, _ = select.select([0], [], [], _TURN)
        if ended:
            return 0
    return run.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
