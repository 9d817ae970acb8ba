"""Deployments against the real embedded AWS: repeatable, told in one line when they fail, removable without a rest."""

from collections.abc import Generator
from pathlib import Path

import pytest

from mcp_demo.deploy.cleanup import remove, take_inventory
from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.profile import Profile, aws_failures
from mcp_demo.deploy.stacks import DeployFailed, Event, Plan, deploy, find
from mcp_demo.deploy.system import STACKS, deploy_system, stack_name
from mcp_demo.deploy.users import ensure_demo_user
from mcp_demo.errors import SetupError
from mcp_demo.local.ministack import running_ministack
from mcp_demo.local.ports import Ports

_PARAMETER = """
Resources:
  First: {{ Type: AWS::SSM::Parameter, Properties: {{ Type: String, Name: /{name}/first, Value: "1" }} }}
  Second:
    Type: AWS::SSM::Parameter
    DependsOn: First
    Properties: {{ Type: String, Name: {second}, Value: "2" }}
Outputs:
  Name: {{ Value: !Ref First }}
"""


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Generator[Profile]:
    with running_ministack(tmp_path_factory.mktemp("aws"), Ports.free().aws) as ministack:
        yield Profile.local(ministack.endpoint)


def _silent(event: Event) -> None: ...


def _good(name: str, second: str = "/x/second") -> Plan:
    return Plan(name, _PARAMETER.format(name=name, second=f"/{name}{second}"), {})


def _failing(name: str) -> Plan:
    template = f"""
Resources:
  Pool: {{ Type: AWS::Cognito::UserPool, Properties: {{ UserPoolName: {name} }} }}
  Domain:
    Type: AWS::Cognito::UserPoolDomain
    Properties: {{ UserPoolId: !Ref Pool, Domain: {name} }}
  Broken:
    Type: AWS::Cognito::UserPoolDomain
    DependsOn: Domain
    Properties: {{ UserPoolId: !Ref Pool, Domain: {name} }}
"""
    return Plan(name, template, {})


def test_the_second_deployment_changes_nothing(profile: Profile, tmp_path: Path) -> None:
    endpoints = Endpoints(domain="http://localhost:1", aws=profile.endpoint, key_dir=tmp_path)
    first = deploy_system(profile, endpoints, tmp_path / "env", _silent, "twice")
    events: list[Event] = []
    second = deploy_system(profile, endpoints, tmp_path / "env", events.append, "twice")
    assert (first.changed, second.changed, events) == (True, False, [])
    assert first.outputs == second.outputs


def test_progress_is_told_in_the_order_it_happens(profile: Profile) -> None:
    events: list[Event] = []
    outcome = deploy(profile.cloudformation(), _good("progress"), events.append)
    done = [event.resource for event in events if event.status == "CREATE_COMPLETE"]
    assert done == ["First", "Second", "progress"]
    assert outcome.outputs == {"Name": "/progress/first"}


def test_a_change_updates_the_stack(profile: Profile) -> None:
    deploy(profile.cloudformation(), _good("update"), _silent)
    assert deploy(profile.cloudformation(), _good("update", second="/other"), _silent).changed
    stack = find(profile.cloudformation(), "update")
    assert stack and stack["StackStatus"] == "UPDATE_COMPLETE"


def test_a_failure_names_the_first_failed_resource_and_its_reason_in_one_line(profile: Profile) -> None:
    with pytest.raises(DeployFailed) as caught:
        deploy(profile.cloudformation(), _failing("fails"), _silent)
    assert "Broken (AWS::Cognito::UserPoolDomain)" in caught.value.problem
    assert "already" in caught.value.problem
    assert "\n" not in str(caught.value)


def test_a_stack_that_never_came_to_life_is_replaced(profile: Profile) -> None:
    with pytest.raises(DeployFailed):
        deploy(profile.cloudformation(), _failing("phoenix"), _silent)
    dead = find(profile.cloudformation(), "phoenix")
    assert dead and dead["StackStatus"] == "ROLLBACK_COMPLETE"
    assert deploy(profile.cloudformation(), _good("phoenix"), _silent).changed
    alive = find(profile.cloudformation(), "phoenix")
    assert alive and alive["StackStatus"] == "CREATE_COMPLETE"


def test_an_unreviewed_stack_of_an_interrupted_deployment_is_replaced(profile: Profile) -> None:
    cloudformation, plan = profile.cloudformation(), _good("interrupted")
    created = cloudformation.create_change_set(
        StackName=plan.name, ChangeSetName="left", ChangeSetType="CREATE", TemplateBody=plan.template
    )
    cloudformation.get_waiter("change_set_create_complete").wait(ChangeSetName=created["Id"])
    assert deploy(cloudformation, plan, _silent).changed


def test_cleanup_removes_everything_and_can_be_repeated(profile: Profile, tmp_path: Path) -> None:
    endpoints = Endpoints(domain="http://localhost:1", aws=profile.endpoint, key_dir=tmp_path)
    deployment = deploy_system(profile, endpoints, tmp_path, _silent, "gone", serverless=True, hardened=True)
    ensure_demo_user(profile.cognito(), deployment.outputs["UserPoolId"])
    found = take_inventory(profile, "gone", tmp_path)
    assert found.stacks == tuple(stack_name("gone", stack) for stack in reversed(STACKS))
    assert f"user pool {deployment.outputs['UserPoolId']}" in found.resources
    assert {thing.partition(" ")[0] for thing in found.resources} == {
        "user", "role", "table", "log", "bucket", "secret",
    }  # fmt: skip
    for _ in range(2):
        remove(profile, "gone", found, _silent)
        assert take_inventory(profile, "gone", tmp_path).is_empty
    assert list(tmp_path.iterdir()) == []


def test_what_a_stack_no_longer_owns_is_still_found(profile: Profile, tmp_path: Path) -> None:
    pool = profile.cognito().create_user_pool(PoolName="orphan")["UserPool"].get("Id", "")
    assert take_inventory(profile, "orphan", tmp_path).resources == (f"user pool {pool}",)


def test_the_identity_stack_is_what_the_design_asks_for(profile: Profile, tmp_path: Path) -> None:
    endpoints = Endpoints(domain="http://localhost:1", aws=profile.endpoint, key_dir=tmp_path)
    outputs = deploy_system(profile, endpoints, tmp_path, _silent, "identity-test").outputs
    cognito, pool = profile.cognito(), outputs["UserPoolId"]
    described = cognito.describe_user_pool(UserPoolId=pool)["UserPool"]
    assert described.get("UserPoolTier") == "ESSENTIALS"
    server = cognito.describe_resource_server(UserPoolId=pool, Identifier=endpoints.mcp)["ResourceServer"]
    assert {scope["ScopeName"] for scope in server.get("Scopes", [])} == {"read", "write"}
    bridge = cognito.describe_user_pool_client(UserPoolId=pool, ClientId=outputs["BridgeClientId"])["UserPoolClient"]
    static = cognito.describe_user_pool_client(UserPoolId=pool, ClientId=outputs["StaticClientId"])["UserPoolClient"]
    assert bridge.get("ClientSecret")
    assert not static.get("ClientSecret")
    assert bridge.get("CallbackURLs") == [f"{endpoints.bridge}/callback"]
    assert static.get("CallbackURLs") == [f"{endpoints.static}/callback"]
    for client in (bridge, static):
        assert client.get("AllowedOAuthFlows") == ["code"]
        assert {f"{endpoints.mcp}/read", f"{endpoints.mcp}/write"} < set(client.get("AllowedOAuthScopes", []))
        assert "ALLOW_REFRESH_TOKEN_AUTH" not in client.get("ExplicitAuthFlows", [])
    assert outputs["Issuer"] == f"https://cognito-idp.us-east-1.amazonaws.com/{pool}"


def test_the_demo_user_can_be_made_again_with_a_new_password(profile: Profile) -> None:
    cognito = profile.cognito()
    pool = cognito.create_user_pool(PoolName="users")["UserPool"].get("Id", "")
    first, second = ensure_demo_user(cognito, pool), ensure_demo_user(cognito, pool)
    assert first.password != second.password
    assert cognito.admin_get_user(UserPoolId=pool, Username="demo").get("UserStatus") == "CONFIRMED"


def test_no_credentials_is_one_line_with_a_cure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(SetupError, match="no AWS credentials") as caught:
        Profile.aws()
    assert "aws sso login" in caught.value.cure


def test_refused_credentials_are_one_line_with_a_cure(profile: Profile) -> None:
    stranger = profile.session.client(  # pyright: ignore[reportUnknownMemberType]
        "sts", endpoint_url=profile.endpoint, aws_access_key_id="AKIASTRANGER", aws_secret_access_key="x"
    )
    with pytest.raises(SetupError, match="refuse") as caught, aws_failures():
        stranger.get_caller_identity()
    assert "\n" not in str(caught.value)
