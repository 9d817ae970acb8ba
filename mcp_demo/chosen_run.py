"""What several commands share: which run and which deployment they are about."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from mcp_demo.local.state import Run

State = Annotated[Path | None, typer.Option("--state", metavar="DIR", help="Folder of the run.  [$MCP_DEMO_STATE]")]
ProfileOption = Annotated[Literal["local", "aws"], typer.Option(help="The embedded AWS of a run, or AWS.")]
Name = Annotated[str, typer.Option(help="Starts the names of all stacks.")]


def folder_of(state: Path | None) -> Path:
    """The folder that `--state` names, or the usual one."""
    from mcp_demo.settings import default_state

    return (state or default_state()).expanduser().resolve()


def running_in(folder: Path) -> "Run":
    """What runs there.

    Raises:
        SetupError: Nothing does.
    """
    from mcp_demo.errors import SetupError
    from mcp_demo.local.state import current

    run = current(folder, wait=True)
    if run is None:
        raise SetupError("Nothing is running on this machine.", "Start it: mcp-demo up --detach")
    return run
