"""`deploy --dry-run` on the embedded AWS: it says what would happen, and leaves nothing of its own."""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcp_demo.deploy.cleanup import take_inventory
from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.preview import Change, Preview, preview_system
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.stacks import DeployFailed, Event, deploy, find
from mcp_demo.deploy.system import System, deploy_system
from mcp_demo.errors import SetupError
from mcp_demo.local.ministack import running_ministack
from mcp_demo.local.ports import Ports


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Generator[Profile]:
    with running_ministack(tmp_path_factory.mktemp("preview"), Ports.free().aws) as ministack:
        yield Profile.local(ministack.endpoint)


def _silent(event: Event) -> None: ...


def _system(profile: Profile, name: str, folder: Path) -> System:
    return System(profile, Endpoints(domain="http://localhost:1", aws=profile.endpoint, key_dir=folder), name)


def _all_there_is(profile: Profile, name: str, folder: Path) -> list[Any]:
    """Every stack with its last change and its change sets, what the services know, and every object."""
    cloudformation, s3 = profile.cloudformation(), profile.client("s3")
    stacks = [stack for stack in cloudformation.describe_stacks()["Stacks"] if stack["StackName"].startswith(name)]
    change_sets = [cloudformation.list_change_sets(StackName=stack["StackName"])["Summaries"] for stack in stacks]
    updated = [(stack["StackName"], stack["StackStatus"], stack.get("LastUpdatedTime")) for stack in stacks]
    buckets = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"] if bucket["Name"].startswith(name)]
    objects = [item["Key"] for bucket in buckets for item in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
    return [updated, change_sets, buckets, objects, take_inventory(profile, name, folder)]


def test_a_preview_of_a_first_deployment_leaves_nothing(profile: Profile, tmp_path: Path) -> None:
    first, second = preview_system(_system(profile, "first", tmp_path))
    assert (first.stack, first.summary) == ("first-identity", "would be made")
    assert Change("add", "UserPool", "AWS::Cognito::UserPool") in first.changes
    assert second.changes == ()
    assert "before UserPoolId is known" in second.summary
    assert take_inventory(profile, "first", tmp_path).is_empty
    assert find(profile.cloudformation(), "first-identity") is None
    assert not [one for one in profile.client("s3").list_buckets()["Buckets"] if one["Name"].startswith("first")]


def test_a_preview_of_an_update_names_what_would_change_and_changes_nothing(profile: Profile, tmp_path: Path) -> None:
    system = replace(_system(profile, "later", tmp_path), serverless=True, hardened=True)
    deploy_system(profile, system.endpoints, tmp_path, _silent, "later", serverless=True, hardened=True)
    before = _all_there_is(profile, "later", tmp_path)
    assert {stack.summary for stack in preview_system(system)} == {"nothing would change"}
    changed = preview_system(replace(system, choices={"identity": {"Mfa": "ON"}}))
    assert [stack.stack for stack in changed if stack.changes] == ["later-identity"]
    assert Change("change", "UserPool", "AWS::Cognito::UserPool") in changed[1].changes
    assert _all_there_is(profile, "later", tmp_path) == before


def test_a_resource_that_would_be_replaced_or_removed_is_called_so(profile: Profile, tmp_path: Path) -> None:
    system = _system(profile, "moved", tmp_path)
    plan = system.plan("identity", {})
    extra = "Resources:\n  Extra: { Type: AWS::SSM::Parameter, Properties: { Type: String, Value: x } }\n"
    deploy(profile.cloudformation(), replace(plan, template=plan.template.replace("Resources:\n", extra, 1)), _silent)
    moved = replace(system, endpoints=replace(system.endpoints, mcp="http://localhost:9/mcp"))
    actions = {change.resource: change.action for change in preview_system(moved)[0].changes}
    assert (actions["Extra"], actions["McpServer"]) == ("remove", "replace")


def test_a_stack_that_failed_or_is_stuck_is_told_and_left_alone(profile: Profile, tmp_path: Path) -> None:
    broken = replace(_system(profile, "broken", tmp_path), choices={"identity": {"Mfa": "PERHAPS"}})
    with pytest.raises(SetupError, match="Mfa"):
        preview_system(broken)
    assert find(profile.cloudformation(), "broken-identity") is None
    template = "Resources:\n  P: { Type: AWS::Cognito::UserPoolDomain, Properties: { UserPoolId: none, Domain: x } }\n"
    plan = replace(broken.plan("identity", {}), template=template, parameters={})
    with pytest.raises(DeployFailed):
        deploy(profile.cloudformation(), plan, _silent)
    told = Preview("broken-identity", "ROLLBACK_COMPLETE: it would be removed, and made anew")
    assert preview_system(replace(broken, choices={}))[0] == told
    stack = find(profile.cloudformation(), "broken-identity")
    assert stack and stack["StackStatus"] == "ROLLBACK_COMPLETE"
