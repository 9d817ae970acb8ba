"""What the command line says, and where: results on stdout, everything else on stderr."""

import json
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_demo.errors import disk_full

if TYPE_CHECKING:
    from mcp_demo.local.state import Run


def say(line: str) -> None:
    """Print a result."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def note(line: str) -> None:
    """Tell how it goes: on stderr, for stdout belongs to results."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def complain(problem: str, cure: str) -> None:
    """Say what is wrong, and in a second line what to do."""
    note("\n".join(line for line in (problem, cure) if line))


def own_failure(error: Exception, log: Path) -> int:
    """Say in one line what went wrong on our side; the whole story goes into a log. Returns the exit code."""
    known: Any = getattr(error, "log", None)
    if isinstance(known, Path):  # a part of the system failed and has its own log
        complain(str(error), f"Its log: {known}")
        return 3
    if full := disk_full(error):
        complain(full.problem, full.cure)
        return 4
    from mcp_demo.deploy.files import write_private

    summary = " ".join(f"{type(error).__name__}: {error}".split())
    try:
        write_private(log, "".join(traceback.format_exception(error)))
    except Exception:
        complain(f"This is our failure: {summary}", "")
    else:
        complain(f"This is our failure: {summary}", f"The details are in {log}.")
    return 3


def announce(run: "Run", *, as_json: bool, foreground: bool = False) -> None:
    """Show what runs: as JSON alone, or for people."""
    if as_json:
        say(json.dumps(run.public()))
        return
    from rich.console import Console
    from rich.table import Table

    titles = {"static": "Client", "dcr": "Client that registers itself", "cimd": "Client with a metadata document"}
    table = Table.grid(padding=(0, 2))
    for kind, url in run.clients.items():
        table.add_row(f"[bold]{titles.get(kind, kind)}[/]", url)
    table.add_row("MCP server", run.server)
    table.add_row("Authorization bridge", run.bridge)
    table.add_row("User", f"{run.user.username}   password  [bold]{run.user.password}[/]")
    console = Console(soft_wrap=True, highlight=False)
    console.print(table)
    console.print("Ctrl-C ends it." if foreground else "mcp-demo down ends it.", style="dim")
