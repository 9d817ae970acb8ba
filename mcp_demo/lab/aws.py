"""Where a lesson deploys to: the embedded AWS of the running system, or AWS, by one parameter."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.stacks import Event
from mcp_demo.local.state import Run

Target = Literal["embedded", "aws"]


@dataclass(frozen=True, slots=True)
class Site:
    """A place to deploy to.

    Attributes:
        profile: Makes the clients of AWS services.
        endpoints: Where the parts of the running system are served; a deployment is made for these.
        folder: Of the env files, apart from those of the running system.
    """

    profile: Profile
    endpoints: Endpoints
    folder: Path


def site(run: Run, target: Target = "embedded") -> Site:
    """The place that a lesson deploys to.

    Args:
        run: The running system, whose addresses the deployment gets.
        target: The embedded AWS of this run, or AWS with your own credentials.

    Raises:
        SetupError: There are no credentials for AWS.
    """
    folder = run.state / f"lesson-{target}"
    if target == "embedded":
        return Site(Profile.local(run.aws), run.endpoints(), folder)
    clients = run.clients
    endpoints = Endpoints(run.server, run.bridge, clients["static"], clients["dcr"], clients["cimd"])
    return Site(Profile.aws(), endpoints, folder)


def progress(event: Event) -> None:
    """Tell each resource that is done, or has failed, in a line."""
    if not event.status.endswith("_IN_PROGRESS"):
        sys.stdout.write(f"{event.status:<16} {event.resource:<22} {event.type} {event.reason}".rstrip() + "\n")
