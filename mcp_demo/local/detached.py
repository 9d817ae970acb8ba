"""A run that goes on without its terminal: `mcp-demo up --detach`.

The run is a process of its own, in a session of its own. On its standard output it says one thing in its life, a line
of JSON: that it serves, or why it does not.
"""

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mcp_demo.deploy.files import private_folder
from mcp_demo.errors import SetupError, disk_full
from mcp_demo.local.children import PartFailed, last_line
from mcp_demo.local.ports import Ports
from mcp_demo.local.stack import Options, serve
from mcp_demo.local.state import AlreadyRunning, Run


def start(options: Options) -> Run:
    """Start a run and leave it behind once it serves.

    Raises:
        AlreadyRunning: Someone was faster.
        SetupError: As of `running_stack`.
        PartFailed: A part did not come up.
    """
    log = private_folder(options.state / "logs") / "supervisor.log"
    told = {
        "state": str(options.state),
        "ports": asdict(options.ports),
        "hosted": options.hosted,
        "served_by": options.served_by,
    }
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "mcp_demo.local.detached", json.dumps(told)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
    try:
        said = process.stdout.readline() if process.stdout else b""
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    answer: dict[str, Any] = json.loads(said) if said else {"failure": f"The run ended: {last_line(log)}"}
    if "run" not in answer:
        process.wait()
        raise _reason(answer, options, log)
    return Run.from_dict(answer["run"])


def main(told: str) -> int:
    """Be that run; returns the exit code."""
    values = json.loads(told)
    options = Options(Path(values["state"]), Ports(**values["ports"]), values["hosted"], values["served_by"])
    try:
        serve(options, say=_log, ready=lambda run: _tell({"run": run.to_dict()}))
    except KeyboardInterrupt:
        return 0
    except AlreadyRunning:
        _tell({"already": True})
    except SetupError as error:
        _tell({"problem": error.problem, "cure": error.cure})
    except OSError as error:
        full = disk_full(error)
        if full is None:
            raise
        _tell({"problem": full.problem, "cure": full.cure})
    except PartFailed as error:
        _log(error.problem)
        _tell({"failure": error.problem, "log": str(error.log)})
        return 3
    return 4


def _reason(answer: dict[str, Any], options: Options, log: Path) -> Exception:
    if "already" in answer:
        return AlreadyRunning(options.state)
    if "problem" in answer:
        return SetupError(answer["problem"], answer["cure"])
    return PartFailed(answer["failure"], Path(answer.get("log", log)))


def _tell(answer: dict[str, Any]) -> None:
    with suppress(OSError):  # nobody listens any more, or the one line is said
        os.write(1, json.dumps(answer).encode() + b"\n")
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)


def _log(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
