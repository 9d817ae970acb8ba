"""Where a lesson deploys to, the embedded AWS or AWS by one parameter; what a change would do; progress in lines."""

import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import WaiterError

from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.stacks import Event, Plan
from mcp_demo.local.state import Run

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient

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


def what_if(cloudformation: "CloudFormationClient", plan: Plan, **parameters: str) -> dict[str, str]:
    """What CloudFormation would do to each resource if parameters changed; nothing is done, empty if nothing would be.

    Args:
        cloudformation: A client.
        plan: The stack as it is.
        **parameters: What would be different.
    """
    changed = {**plan.parameters, **parameters}
    made = cloudformation.create_change_set(
        StackName=plan.name,
        ChangeSetName=f"what-if-{time.time_ns()}",
        TemplateBody=plan.template,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in changed.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    with suppress(WaiterError):  # one without changes counts as failed
        waiter = cloudformation.get_waiter("change_set_create_complete")
        waiter.wait(ChangeSetName=made["Id"], WaiterConfig={"Delay": 3})
    found = cloudformation.describe_change_set(ChangeSetName=made["Id"]).get("Changes", [])
    cloudformation.delete_change_set(ChangeSetName=made["Id"])
    entries = [entry.get("ResourceChange", {}) for entry in found]
    # The embedded AWS lists resources behind a false condition too; they do not exist, and so cannot change.
    there = [entry for entry in entries if entry.get("Action") != "Modify" or entry.get("PhysicalResourceId")]
    return {entry.get("LogicalResourceId", ""): _WORDS[entry.get("Replacement", "False")] for entry in there}


_WORDS = {
    "False": "changed in place",
    "Conditional": "changed, in place or by a new one",
    "True": "REPLACED: a new one is made, the old one deleted",
}
