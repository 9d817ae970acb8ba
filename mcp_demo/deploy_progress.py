"""How a deployment goes, on one screen: a line for each stack that is done, and what it is at now on a terminal."""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mcp_demo.terminal import note

if TYPE_CHECKING:
    from mcp_demo.deploy.stacks import Event, Progress


@contextmanager
def live() -> "Generator[Progress]":
    """Tell each stack that is done and each resource that failed; a terminal also sees each step while it lasts."""
    from rich.console import Console
    from rich.markup import escape

    done = Counter[str]()
    console = Console(stderr=True)
    with console.status("Asking CloudFormation") as waiting:

        def tell(event: "Event") -> None:
            waiting.update(escape(f"{event.stack}: {event.resource} {event.status}"))
            if event.status.endswith("_FAILED") or "ROLLBACK" in event.status:
                note(f"  {event.status}  {event.resource}  {event.type}  {event.reason}".rstrip())
            elif event.status.endswith("_COMPLETE") and event.resource != event.stack:
                done[event.stack] += 1
            elif event.status.endswith("_COMPLETE"):
                note(f"  {event.stack}  {event.status}  {done.pop(event.stack, 0)} resources")

        yield tell
