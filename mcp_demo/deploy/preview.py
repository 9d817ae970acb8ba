"""What a deployment would do, asked of CloudFormation by change sets that are never executed; nothing is left."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcp_demo.deploy.code import code_bucket, with_code
from mcp_demo.deploy.profile import aws_failures
from mcp_demo.deploy.stacks import DEAD, DeployFailed, Plan, find, is_empty, make_change_set, outputs
from mcp_demo.deploy.system import OutputMissing, Outputs, System, stack_name

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudformation.type_defs import DescribeChangeSetOutputTypeDef, ResourceChangeTypeDef, StackTypeDef

_REPLACEMENTS = {"True": "replace", "Conditional": "change or replace"}
_NEVER_EXECUTED = "Nothing was changed. Repair the cause and run the command again."


@dataclass(frozen=True, slots=True)
class Change:
    """What would happen to one resource: it is added, changed, replaced by a new one, or removed."""

    action: str
    resource: str
    type: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What would happen to one stack, in a word or a sentence, and resource by resource as far as that is known."""

    stack: str
    summary: str
    changes: tuple[Change, ...] = ()


def preview_system(system: System) -> list[Preview]:
    """What deploying a system would change, stack by stack.

    A later stack is judged by the outputs that the stacks before it have now: CloudFormation knows no other.

    Raises:
        SetupError: AWS cannot be used, or refuses a template or parameter.
    """
    known, found = Outputs(), list[Preview]()
    with aws_failures():
        cloudformation = system.profile.cloudformation()
        for stack in system.stacks:
            found.append(_preview(system, stack, known))
            known.update(outputs(cloudformation, stack_name(system.name, stack)))
    return found


def _preview(system: System, stack: str, known: Outputs) -> Preview:
    name, cloudformation = stack_name(system.name, stack), system.profile.cloudformation()
    there = find(cloudformation, name)
    status = there["StackStatus"] if there else "REVIEW_IN_PROGRESS"
    if status in DEAD - {"REVIEW_IN_PROGRESS"}:
        return Preview(name, f"{status}: it would be removed, and made anew")
    if status == "UPDATE_ROLLBACK_FAILED" or (there and status.endswith("_IN_PROGRESS") and status not in DEAD):
        return Preview(name, f"{status}: nothing can be said before that is over")
    try:
        plan = system.plan(stack, known)
    except OutputMissing as missing:
        return Preview(name, f"would be made; nobody can say of what before {missing} is known, from a stack before it")
    if package := system.package(stack):
        plan = with_code(plan, code_bucket(system.profile, system.name), package)
    changes = _changes_of(cloudformation, plan, there)
    return Preview(name, "would be made" if status == "REVIEW_IN_PROGRESS" else _updated(changes), changes)


def changes_of(cloudformation: "CloudFormationClient", plan: Plan) -> tuple[Change, ...]:
    """What would happen to each resource of one stack; empty if nothing would.

    Raises:
        DeployFailed: CloudFormation refuses the template or a parameter.
    """
    return _changes_of(cloudformation, plan, find(cloudformation, plan.name))


def _changes_of(cloudformation: "CloudFormationClient", plan: Plan, there: "StackTypeDef | None") -> tuple[Change, ...]:
    with _change_set(cloudformation, plan, there) as change_set:
        return () if is_empty(change_set) else _changes(cloudformation, plan.name, change_set)


def _updated(changes: tuple[Change, ...]) -> str:
    return "would be updated" if changes else "nothing would change"


@contextmanager
def _change_set(
    cloudformation: "CloudFormationClient", plan: Plan, there: "StackTypeDef | None"
) -> "Generator[DescribeChangeSetOutputTypeDef]":
    """A change set for as long as it is looked at, and the empty stack that CloudFormation makes for a new one."""
    updated = None if there is None or there["StackStatus"] == "REVIEW_IN_PROGRESS" else there
    try:
        change_set = make_change_set(cloudformation, plan, updated)
        try:
            if change_set["Status"] == "FAILED" and not is_empty(change_set):
                reason = change_set.get("StatusReason", "no reason given")
                raise DeployFailed(f"Stack {plan.name}: {reason}", _NEVER_EXECUTED)
            yield change_set
        finally:
            cloudformation.delete_change_set(StackName=plan.name, ChangeSetName=change_set["ChangeSetId"])
    finally:
        if there is None:
            _forget(cloudformation, plan.name)


def _forget(cloudformation: "CloudFormationClient", name: str) -> None:
    """Delete a stack that is but a name; one that somebody has brought to life meanwhile stays."""
    stack = find(cloudformation, name)
    if stack and stack["StackStatus"] == "REVIEW_IN_PROGRESS":
        cloudformation.delete_stack(StackName=name)


def _changes(
    cloudformation: "CloudFormationClient", name: str, change_set: "DescribeChangeSetOutputTypeDef"
) -> tuple[Change, ...]:
    paginator = cloudformation.get_paginator("describe_change_set")
    pages = paginator.paginate(StackName=name, ChangeSetName=change_set["ChangeSetId"])
    entries = [change.get("ResourceChange", {}) for page in pages for change in page.get("Changes", [])]
    # The embedded AWS lists resources behind a false condition too; they do not exist, and so cannot change.
    there = [entry for entry in entries if entry.get("Action") != "Modify" or entry.get("PhysicalResourceId")]
    return tuple(_change(entry) for entry in there)


def _change(entry: "ResourceChangeTypeDef") -> Change:
    action = str(entry.get("Action", "")).lower()
    if action == "modify":
        action = _REPLACEMENTS.get(entry.get("Replacement", "False"), "change")
    return Change(action, entry.get("LogicalResourceId", ""), entry.get("ResourceType", ""))
