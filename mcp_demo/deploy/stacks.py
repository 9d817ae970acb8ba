"""Bring a CloudFormation stack to the state of its template: by change set, told while it happens, repeatable."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from mcp_demo.errors import SetupError

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudformation.type_defs import DescribeChangeSetOutputTypeDef, ParameterTypeDef, StackTypeDef

_FIRST_POLL, _SLOWEST_POLL = 0.03, 2.0
DEAD = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS"}
"""A stack in one of these never came to life: CloudFormation lets one only delete it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A stack as it should be. A parameter that is not named keeps its value, or has the default of the template."""

    name: str
    template: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Event:
    """One step of CloudFormation's, for whoever watches."""

    stack: str
    resource: str
    type: str
    status: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a deployment came to."""

    changed: bool
    outputs: dict[str, str]


Progress = Callable[[Event], None]


class DeployFailed(SetupError):
    """A stack could not be brought to its state; names the first resource that failed, and why."""


def deploy(cloudformation: "CloudFormationClient", plan: Plan, progress: Progress) -> Outcome:
    """Create or update a stack; does nothing when nothing changed.

    A stack whose first creation failed is removed and made again; an operation under way is waited for.

    Raises:
        DeployFailed: Says which resource failed first, and why.
    """
    stack = _settled(cloudformation, plan.name, progress)
    if stack and stack["StackStatus"] in DEAD:
        delete(cloudformation, plan.name, progress)
        stack = None
    elif stack and stack["StackStatus"] == "UPDATE_ROLLBACK_FAILED":
        raise DeployFailed(
            f"Stack {plan.name} is stuck in UPDATE_ROLLBACK_FAILED.",
            f"Run `aws cloudformation continue-update-rollback --stack-name {plan.name}`, then deploy again.",
        )
    change_set = make_change_set(cloudformation, plan, stack)
    if is_empty(change_set):
        cloudformation.delete_change_set(StackName=plan.name, ChangeSetName=change_set["ChangeSetId"])
        return Outcome(changed=False, outputs=_outputs(stack))
    if change_set["Status"] == "FAILED":
        raise DeployFailed(f"Stack {plan.name}: {change_set.get('StatusReason', 'no reason given')}", _TRY_AGAIN)
    return Outcome(changed=True, outputs=_outputs(_execute(cloudformation, plan.name, change_set, progress)))


def delete(cloudformation: "CloudFormationClient", name: str, progress: Progress) -> None:
    """Delete a stack and wait until it is gone; fine when it is gone already, or being deleted.

    Raises:
        DeployFailed: Says which resource could not be deleted, and why.
    """
    stack = find(cloudformation, name)
    if stack is None:
        return
    identifier = stack.get("StackId", name)  # by name a deleted stack is not found any more
    seen = set(_event_ids(cloudformation, identifier))
    if stack["StackStatus"] != "DELETE_IN_PROGRESS":
        cloudformation.delete_stack(StackName=identifier)
    _follow(cloudformation, name, identifier, seen, progress, done={"DELETE_COMPLETE"})


def find(cloudformation: "CloudFormationClient", name: str) -> "StackTypeDef | None":
    """The stack as CloudFormation describes it; `None` if there is none."""
    try:
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return None if stack["StackStatus"] == "DELETE_COMPLETE" else stack


def outputs(cloudformation: "CloudFormationClient", name: str) -> dict[str, str]:
    """The outputs of a stack; empty if there is none."""
    return _outputs(find(cloudformation, name))


def _outputs(stack: "StackTypeDef | None") -> dict[str, str]:
    found = stack.get("Outputs", []) if stack else []
    return {output.get("OutputKey", ""): output.get("OutputValue", "") for output in found}


_TRY_AGAIN = "Repair the cause and run the command again; what is left of the failed stack is replaced."


def _settled(cloudformation: "CloudFormationClient", name: str, progress: Progress) -> "StackTypeDef | None":
    stack = find(cloudformation, name)
    if stack is None or not stack["StackStatus"].endswith("_IN_PROGRESS") or stack["StackStatus"] in DEAD:
        return stack
    progress(Event(name, name, "AWS::CloudFormation::Stack", stack["StackStatus"], "waiting for an earlier operation"))
    identifier = stack.get("StackId", name)
    for _ in pauses():
        stack = find(cloudformation, identifier)
        if stack is None or not stack["StackStatus"].endswith("_IN_PROGRESS"):
            return stack
    raise AssertionError("the pauses never end")


def make_change_set(
    cloudformation: "CloudFormationClient", plan: Plan, stack: "StackTypeDef | None"
) -> "DescribeChangeSetOutputTypeDef":
    """What would bring a stack to its plan, made and described, not executed.

    A name with StackName beside it, here and elsewhere: IAM then knows whose change set it is, and a policy can be
    limited to the stacks of this project.
    """
    parameters: list[ParameterTypeDef] = [
        {"ParameterKey": key, "ParameterValue": value} for key, value in plan.parameters.items()
    ]
    kept = set(_parameter_names(cloudformation, plan, stack)) - plan.parameters.keys()
    parameters.extend({"ParameterKey": key, "UsePreviousValue": True} for key in sorted(kept))
    created = cloudformation.create_change_set(
        StackName=plan.name,
        ChangeSetName=f"mcp-demo-{time.time_ns()}",
        ChangeSetType="UPDATE" if stack else "CREATE",
        TemplateBody=plan.template,
        Parameters=parameters,
        Capabilities=["CAPABILITY_IAM"],
        Tags=[{"Key": "mcp-demo", "Value": plan.name}],
    )
    for _ in pauses():
        described = cloudformation.describe_change_set(StackName=plan.name, ChangeSetName=created["Id"])
        if described["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
            return described
    raise AssertionError("the pauses never end")


def _parameter_names(cloudformation: "CloudFormationClient", plan: Plan, stack: "StackTypeDef | None") -> list[str]:
    """The parameters that both the stack and the template know."""
    if stack is None:
        return []
    declared = cloudformation.get_template_summary(TemplateBody=plan.template).get("Parameters", [])
    known = {parameter.get("ParameterKey", "") for parameter in stack.get("Parameters", [])}
    return [key for parameter in declared if (key := parameter.get("ParameterKey", "")) in known]


def is_empty(change_set: "DescribeChangeSetOutputTypeDef") -> bool:
    """CloudFormation reports a change set without changes as a failure, in one of two sentences."""
    reason = change_set.get("StatusReason", "")
    return change_set["Status"] == "FAILED" and ("didn't contain changes" in reason or "No updates" in reason)


def _execute(
    cloudformation: "CloudFormationClient",
    name: str,
    change_set: "DescribeChangeSetOutputTypeDef",
    progress: Progress,
) -> "StackTypeDef":
    identifier = change_set["StackId"]
    seen = set(_event_ids(cloudformation, identifier))
    cloudformation.execute_change_set(StackName=name, ChangeSetName=change_set["ChangeSetId"])
    return _follow(cloudformation, name, identifier, seen, progress, done={"CREATE_COMPLETE", "UPDATE_COMPLETE"})


def _follow(
    cloudformation: "CloudFormationClient",
    name: str,
    identifier: str,
    seen: set[str],
    progress: Progress,
    *,
    done: set[str],
) -> "StackTypeDef":
    """Report events until the stack is done; what failed first is the cause, the rest are consequences."""
    cause: Event | None = None
    for _ in pauses():
        # The state before the events: whatever led to it is then among the events.
        stack = cloudformation.describe_stacks(StackName=identifier)["Stacks"][0]
        status = stack["StackStatus"]
        for event in _new_events(cloudformation, name, identifier, seen):
            progress(event)
            if cause is None and event.status.endswith("_FAILED") and event.resource != name:
                cause = event
        if status == "REVIEW_IN_PROGRESS" or status.endswith("_IN_PROGRESS"):
            continue
        if status in done:
            return stack
        what = f"{cause.resource} ({cause.type}): {cause.reason or cause.status}" if cause else f"it is {status}"
        raise DeployFailed(f"Stack {name} failed: {what}", _TRY_AGAIN)
    raise AssertionError("the pauses never end")


def _new_events(cloudformation: "CloudFormationClient", name: str, identifier: str, seen: set[str]) -> Iterator[Event]:
    fresh: list[Event] = []
    for page in cloudformation.get_paginator("describe_stack_events").paginate(StackName=identifier):
        for item in page["StackEvents"]:
            if item["EventId"] in seen:
                return reversed(fresh)
            seen.add(item["EventId"])
            reason = " ".join(item.get("ResourceStatusReason", "").split())
            resource, kind = item.get("LogicalResourceId", ""), item.get("ResourceType", "")
            fresh.append(Event(name, resource, kind, str(item.get("ResourceStatus", "")), reason))
    return reversed(fresh)


def _event_ids(cloudformation: "CloudFormationClient", identifier: str) -> list[str]:
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=identifier)
    return [item["EventId"] for page in pages for item in page["StackEvents"]]


def pauses() -> Iterator[None]:
    """Turn after turn, with pauses that grow: the emulator answers in milliseconds, AWS in minutes."""
    pause = _FIRST_POLL
    while True:
        yield
        time.sleep(pause)
        pause = min(pause * 1.5, _SLOWEST_POLL)
