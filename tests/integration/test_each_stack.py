"""Each stack by itself: made, updated, rolled back from a change that fails halfway, never half-made, deleted."""

from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcp_demo.deploy.choices import Choices
from mcp_demo.deploy.cleanup import remove, take_inventory
from mcp_demo.deploy.code import upload, with_code
from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.stacks import DeployFailed, Event, Plan, delete, deploy, find
from mcp_demo.deploy.system import STACKS, Outputs, System, deploy_system, stack_name
from mcp_demo.local.ministack import running_ministack
from mcp_demo.local.ports import Ports

pytestmark = pytest.mark.slow

CHANGED: Choices = {
    "endpoints": {"LogRetentionDays": "14"},
    "identity": {"Mfa": "ON"},
    "registration": {"LogRetentionDays": "14"},
    "server": {"LogRetentionDays": "14"},
    "hardening": {"Registrations": "21"},
}
"""Something that each stack can be asked to change."""
AGAIN: Choices = {
    "endpoints": {"LogRetentionDays": "7"},
    "identity": {"Mfa": "OFF"},
    "registration": {"LogRetentionDays": "7"},
    "server": {"LogRetentionDays": "7"},
    "hardening": {"Registrations": "22"},
}


@dataclass(frozen=True)
class Life:
    """A whole system on an embedded AWS of its own."""

    profile: Profile
    endpoints: Endpoints
    folder: Path
    outputs: Outputs

    def plan(self, which: str, name: str = "life", choices: Choices | None = None) -> Plan:
        """A stack as it should be, with its code."""
        system = System(self.profile, self.endpoints, name, choices or {}, serverless=True, hardened=True)
        plan, package = system.plan(which, self.outputs), system.package(which)
        return with_code(plan, upload(self.profile, "life", package), package) if package else plan

    def state(self, which: str) -> dict[str, Any]:
        """What a stack is, and what of it can be seen from outside."""
        found: Any = find(self.profile.cloudformation(), stack_name("life", which)) or {}
        described = {key: sorted(found.get(key, []), key=str) for key in ("Outputs", "Parameters")}
        resources: Any = self.profile.cloudformation().list_stack_resources(StackName=stack_name("life", which))
        ids = sorted(
            (item["LogicalResourceId"], item.get("PhysicalResourceId"))
            for item in resources["StackResourceSummaries"]
            if item["ResourceStatus"] != "DELETE_COMPLETE"
        )
        return {**described, "resources": ids, "seen": self._seen(which)}

    def _seen(self, which: str) -> object:
        """The value that `CHANGED` changes, asked of the service itself."""
        if which == "identity":
            pool: Any = self.profile.cognito().describe_user_pool(UserPoolId=self.outputs["UserPoolId"])
            return pool["UserPool"].get("MfaConfiguration")
        if which == "hardening":
            cloudwatch: Any = self.profile.client("cloudwatch")  # pyright: ignore[reportArgumentType]
            alarms = cloudwatch.describe_alarms(AlarmNames=["life-many-registrations"])["MetricAlarms"]
            return alarms[0]["Threshold"]
        prefix = {"endpoints": "/aws/apigateway/life-http", "registration": "/aws/lambda/life-register"}
        logs: Any = self.profile.client("logs")  # pyright: ignore[reportArgumentType]
        groups = logs.describe_log_groups(logGroupNamePrefix=prefix.get(which, "/aws/lambda/life-bridge"))
        return groups["logGroups"][0]["retentionInDays"]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Generator[Life]:
    folder = tmp_path_factory.mktemp("life")
    with running_ministack(folder / "aws", Ports.free().aws) as ministack:
        profile = Profile.local(ministack.endpoint)
        endpoints = Endpoints(domain="http://localhost:1", aws=profile.endpoint, key_dir=folder)
        made = deploy_system(profile, endpoints, folder / "env", silent, "life", serverless=True, hardened=True)
        yield Life(profile, endpoints, folder / "env", Outputs(made.outputs))


def silent(event: Event) -> None: ...


def breaking(plan: Plan) -> Plan:
    """The same, and at its end something that cannot be made."""
    loader: Any = type("Loader", (yaml.SafeLoader,), {})
    loader.add_multi_constructor("!", _tag)
    resources: dict[str, dict[str, Any]] = yaml.load(plan.template, loader)["Resources"]
    last = ", ".join(key for key, item in resources.items() if "Condition" not in item)
    broken = (
        f"  Broken:\n    Type: AWS::Cognito::UserPoolDomain\n    DependsOn: [{last}]\n"
        "    Properties: { UserPoolId: us-east-1_nowhere, Domain: broken-domain }\n"
    )
    return replace(plan, template=plan.template.replace("\nResources:\n", f"\nResources:\n{broken}", 1))


def _tag(*_: object) -> None: ...


@pytest.mark.parametrize("which", STACKS)
def test_an_update_changes_what_was_asked_for_and_keeps_the_outputs(life: Life, which: str) -> None:
    before = life.state(which)
    assert deploy(life.profile.cloudformation(), life.plan(which, choices=CHANGED), silent).changed
    after = life.state(which)
    assert after["seen"] != before["seen"]
    assert after["Outputs"] == before["Outputs"]
    assert not deploy(life.profile.cloudformation(), life.plan(which), silent).changed


@pytest.mark.parametrize("which", STACKS)
def test_an_update_that_fails_halfway_comes_back_to_what_was(life: Life, which: str) -> None:
    before = life.state(which)
    with pytest.raises(DeployFailed, match="Broken"):
        deploy(life.profile.cloudformation(), breaking(life.plan(which, choices=AGAIN)), silent)
    found = find(life.profile.cloudformation(), stack_name("life", which))
    assert found and found["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert life.state(which) == before
    assert deploy(life.profile.cloudformation(), life.plan(which, choices=AGAIN), silent).changed


@pytest.mark.parametrize("which", STACKS)
def test_a_first_creation_that_fails_leaves_nothing(life: Life, which: str) -> None:
    iam: Any = life.profile.client("iam")
    trust = '{"Version": "2012-10-17", "Statement": []}'  # of a bridge that runs elsewhere
    role = iam.create_role(RoleName=f"elsewhere-{which}", AssumeRolePolicyDocument=trust)["Role"]
    given = Outputs(life.outputs | {"BridgeRoleName": role["RoleName"], "BridgeRoleArn": role["Arn"]})
    before = life.state(which)
    plan = breaking(replace(life, outputs=given).plan(which, "stillborn"))
    with pytest.raises(DeployFailed, match="stillborn"):
        deploy(life.profile.cloudformation(), plan, silent)
    found = find(life.profile.cloudformation(), plan.name)
    assert found and found["StackStatus"] == "ROLLBACK_COMPLETE"
    assert take_inventory(life.profile, "stillborn", life.folder / "none").resources == ()
    delete(life.profile.cloudformation(), plan.name, silent)
    assert take_inventory(life.profile, "stillborn", life.folder / "none").is_empty
    assert iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"] == []
    iam.delete_role(RoleName=role["RoleName"])
    assert life.state(which) == before


def test_deleted_in_reverse_nothing_is_left(life: Life) -> None:
    for which in reversed(STACKS):
        delete(life.profile.cloudformation(), stack_name("life", which), silent)
        assert find(life.profile.cloudformation(), stack_name("life", which)) is None
    rest = take_inventory(life.profile, "life", life.folder)
    assert rest.stacks == ()
    assert {thing.partition(" ")[0] for thing in rest.resources} <= {"bucket"}  # of the code, made outside the stacks
    remove(life.profile, "life", rest, silent)
    assert take_inventory(life.profile, "life", life.folder).is_empty
