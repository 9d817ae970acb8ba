"""`deploy`, `status` and `cleanup` with exactly the policies of infrastructure/policies, under IAM that is enforced.

The embedded AWS lets CloudFormation act with rights of its own, so what is proven here are the caller's own calls; what
CloudFormation does on behalf of the caller is derived from its schemas in tests/unit/deploy/test_policies.py.
"""

import json
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError
from every_choice import every_choice

from mcp_demo import cli, deploy_cli
from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.stacks import find, outputs
from mcp_demo.deploy.users import ensure_demo_user
from mcp_demo.local.ministack import running_ministack
from mcp_demo.local.ports import Ports

_POLICIES = Path(__file__).resolve().parents[2] / "infrastructure" / "policies"
_DEPLOY = ("deploy", "deploy-stacks", "deploy-options")
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "sts:AssumeRole"}
    ],
}
# Direct calls that the embedded AWS does not ask IAM about.
_UNSEEN = {
    "cloudformation:TagResource",  # the tags of a change set
    "iam:PassRole",  # by CloudFormation, for the caller
    "s3:GetObject",  # by Lambda, for the caller; our own look whether the code is there takes a refusal as a no
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Generator[Profile]:
    with running_ministack(tmp_path_factory.mktemp("permissions"), Ports.free().aws) as ministack:
        yield Profile.local(ministack.endpoint)


class Caller:
    """The command line, run by somebody who may do what some policies say."""

    def __init__(self, root: Profile, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path):
        self.root, self.patch, self.capsys, self.folder = root, patch, capsys, folder
        endpoints = Endpoints(domain="http://localhost:1", aws=root.endpoint, key_dir=folder)
        self.places = (endpoints, folder / "env")
        patch.setattr("mcp_demo.deploy.system.is_serverless", _yes)

    def become(self, policies: Sequence[dict[str, Any]]) -> Profile:
        """Be a new user with these policies."""
        profile = _user(self.root, policies)
        self.act_as(profile)
        return profile

    def act_as(self, profile: Profile) -> None:
        def target(*_: object) -> tuple[Profile, Endpoints, Path]:
            return (profile, *self.places)

        self.patch.setattr(deploy_cli, "_target", target)

    def leave_behind(self) -> None:
        """Make what no stack owns, as late requests, interruptions and choices do."""
        dynamodb, secrets = self.root.client("dynamodb"), self.root.client("secretsmanager")
        dynamodb.create_table(
            TableName="mcp-demo-registration-Clients-KEPT",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        secrets.create_secret(Name="mcp-demo/late", SecretString="late")
        self.root.client("logs").create_log_group(logGroupName="/aws/lambda/mcp-demo-late")

    def run(self, *words: str) -> tuple[int, str, str]:
        self.patch.setattr(sys, "argv", ["mcp-demo", *words])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = self.capsys.readouterr()
        return int(caught.value.code or 0), out, err

    def fine(self, *words: str) -> str:
        code, out, err = self.run(*words)
        assert code == 0, err
        return out + err

    def is_refused_without(self, action: str, policies: Sequence[str], *words: str) -> bool:
        """Whether a command needs an action; it then has to say so in one line."""
        self.become([_without(_policy(name), action) for name in policies])
        code, _, err = self.run(*words)
        if code == 0:
            return False
        told = [line for line in err.splitlines() if "AWS refused" in line]
        assert (code, len(told), "Traceback" in err) == (4, 1, False), (action, err)
        assert action in told[0], (action, told)
        return True


@pytest.fixture
def caller(
    root: Profile, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Generator[Caller]:
    one = Caller(root, monkeypatch, capsys, tmp_path)
    yield one
    one.act_as(root)
    one.fine("cleanup", "--yes")


def test_the_policies_are_enough_to_preview_deploy_update_look_and_clean_up(caller: Caller) -> None:
    chosen = every_choice(caller.root, "http://localhost:1")
    every = [
        word for k, values in chosen.items() for name in values for word in ("--set", f"{k}.{name}={values[name]}")
    ]
    bounded = ("--permissions-boundary", _boundary(caller.root))
    caller.become([_policy(name) for name in _DEPLOY])
    assert "would be made" in caller.fine("deploy", "--harden", *bounded, "--dry-run")
    told = caller.fine("deploy", "--harden", *bounded).splitlines()
    assert "Deployed." in told
    assert len(told) <= 24  # one screen
    assert "UserPool" in caller.fine("deploy", "--set", "identity.Mfa=ON", "--dry-run")
    assert "Deployed." in caller.fine("deploy", *every)
    assert "Nothing changed." in caller.fine("deploy")
    assert _boundaries(caller.root) == {bounded[1]}  # it stays, as other choices do
    assert caller.fine("status").count("_COMPLETE") == 5
    assert "mcp-demo-hardening  would be removed" in caller.fine("deploy", "--no-harden", "--dry-run")
    assert "Deployed." in caller.fine("deploy", "--no-harden")
    assert caller.fine("status").count("_COMPLETE") == 4
    assert "Nothing changed." in caller.fine("deploy", "--no-harden")
    assert caller.run("deploy", "--no-harden", "--set", "hardening.Firewall=on")[0] == 2
    caller.fine("deploy", "--harden")
    caller.become([_policy("ci")])
    assert caller.fine("status").count("_COMPLETE") == 5
    caller.become([_policy("cleanup")])
    assert "Nothing is left." in caller.fine("cleanup", "--yes")


def test_who_may_run_the_tests_may_not_deploy_and_who_may_deploy_may_not_touch_other_stacks(caller: Caller) -> None:
    caller.become([_policy("ci")])
    code, _, err = caller.run("deploy")
    assert (code, len(err.splitlines())) == (4, 2)
    caller.become([_policy(name) for name in _DEPLOY])
    code, _, err = caller.run("deploy", "--name", "shop")
    assert code == 4
    assert "cloudformation:" in err


def test_our_roles_work_within_the_boundary_and_any_other_can_do_no_more(caller: Caller) -> None:
    boundary, iam = _boundary(caller.root), caller.root.iam()
    caller.act_as(caller.root)
    caller.fine("deploy", "--permissions-boundary", boundary)
    roles = [role["RoleName"] for role in iam.list_roles()["Roles"] if role["RoleName"].startswith("mcp-demo-")]
    # Should this one day not hold, the embedded CloudFormation passes boundaries on: nothing is left to be put.
    assert [name for name in roles if "PermissionsBoundary" in iam.get_role(RoleName=name)["Role"]] == []
    for name in roles:
        iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary)
    registration = outputs(caller.root.cloudformation(), "mcp-demo-registration")
    client = {"redirect_uris": ["http://localhost:1/callback"], "token_endpoint_auth_method": "none"}
    assert httpx.post(registration["RegistrationEndpoint"], json=client, timeout=30).status_code == 201

    role = _role_that_may_do_all(caller.root, boundary)
    key = {"client_id": {"S": "nobody"}}
    assert "Item" not in role.client("dynamodb").get_item(TableName=registration["ClientsTable"], Key=key)
    with pytest.raises(ClientError, match="AccessDenied"):
        role.client("dynamodb").get_item(TableName="shop", Key=key)
    with pytest.raises(ClientError, match="AccessDenied"):
        role.iam().create_user(UserName="mallory")


def test_who_may_deploy_makes_no_role_by_hand(caller: Caller) -> None:
    iam = caller.become([_policy(name) for name in _DEPLOY]).iam()
    with pytest.raises(ClientError, match="AccessDenied"):
        iam.create_role(RoleName="mcp-demo-mallory", AssumeRolePolicyDocument=json.dumps(_TRUST))


@pytest.mark.slow
def test_each_permission_that_is_missing_is_named_in_one_line(caller: Caller) -> None:
    """Each action is taken away in turn: what needs it ends there, with exit code 4, and names it."""
    left = sorted(set(_direct("deploy")) - _UNSEEN, reverse=True)  # the bucket's before what makes stacks
    for words in (("deploy", "--harden", "--dry-run"), ("deploy",)):
        left = [action for action in left if not caller.is_refused_without(action, _DEPLOY, *words)]
    assert left == []
    caller.become([_without(_policy(name), *_UNSEEN) for name in _DEPLOY])
    caller.fine("deploy")
    caller.leave_behind()
    # The policy names them in the order in which they are needed, so each run goes on where the one before was stopped.
    left = [one for one in _direct("cleanup") if not caller.is_refused_without(one, ["cleanup"], "cleanup", "--yes")]
    assert left == []


def _direct(name: str) -> list[str]:
    """What somebody calls, as opposed to what CloudFormation calls for them; without what needs a pool with a tag."""
    return [
        action
        for statement in _policy(name)["Statement"]
        if not any("Tag" in key or "Via" in key for limits in statement.get("Condition", {}).values() for key in limits)
        for action in _list(statement["Action"])
    ]


def test_the_demo_user_is_made_by_who_may_use_the_pool_that_has_our_tag(caller: Caller) -> None:
    caller.act_as(caller.root)
    caller.fine("deploy")
    pool = next(
        pool["Id"] for pool in caller.root.cognito().list_user_pools(MaxResults=60)["UserPools"] if "Id" in pool
    )
    arn = caller.root.cognito().describe_user_pool(UserPoolId=pool)["UserPool"].get("Arn", "")
    # Should this one day not be refused, the embedded AWS knows aws:ResourceTag of user pools: use the file as it is.
    with pytest.raises(ClientError, match="AdminCreateUser"):
        ensure_demo_user(_user(caller.root, [_policy("ci")]).cognito(), pool)
    for name in ("ci", "deploy"):
        ensure_demo_user(_user(caller.root, [_for_pool(_policy(name), arn)]).cognito(), pool)


def _boundary(root: Profile) -> str:
    """The ARN of the policy that an administrator makes once."""
    iam = root.iam()
    made = {one.get("PolicyName"): one.get("Arn", "") for one in iam.list_policies(Scope="Local")["Policies"]}
    name, document = "mcp-demo-boundary", json.dumps(_policy("boundary"))
    return made.get(name) or iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"].get("Arn", "")


def _boundaries(root: Profile) -> set[str]:
    """What the stacks that have roles were told."""
    found = [find(root.cloudformation(), f"mcp-demo-{stack}") or {} for stack in ("identity", "registration", "server")]
    told = [{one.get("ParameterKey"): one.get("ParameterValue") for one in s.get("Parameters", [])} for s in found]
    return {str(one.get("PermissionsBoundary")) for one in told}


def _role_that_may_do_all(root: Profile, boundary: str) -> Profile:
    """Somebody in a role that may do anything, but for its boundary."""
    iam, name = root.iam(), "somebody-with-a-boundary"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST), PermissionsBoundary=boundary)
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_role_policy(RoleName=name, PolicyName="everything", PolicyDocument=json.dumps(everything))
    arn = iam.get_role(RoleName=name)["Role"]["Arn"]
    own = _user(root, [everything]).client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    session = boto3.Session(
        own["AccessKeyId"], own["SecretAccessKey"], own["SessionToken"], region_name=root.session.region_name
    )
    return Profile("local", session, root.endpoint)


def _yes(*_: object) -> bool:
    return True


def _policy(name: str) -> dict[str, Any]:
    return json.loads((_POLICIES / f"{name}.json").read_text(encoding="utf-8"))


def _without(policy: dict[str, Any], *actions: str) -> dict[str, Any]:
    kept = [{**one, "Action": [a for a in _list(one["Action"]) if a not in actions]} for one in policy["Statement"]]
    return {**policy, "Statement": [one for one in kept if one["Action"]]}


def _for_pool(policy: dict[str, Any], arn: str) -> dict[str, Any]:
    """The same policy, with the pool named where it is recognised by its tag."""
    named = [
        {key: value for key, value in one.items() if key != "Condition"} | {"Resource": arn}
        if "aws:ResourceTag/mcp-demo" in one.get("Condition", {}).get("StringLike", {})
        else one
        for one in policy["Statement"]
    ]
    return {**policy, "Statement": named}


def _user(root: Profile, policies: Sequence[dict[str, Any]]) -> Profile:
    iam = root.iam()
    name = f"somebody-{len(iam.list_users()['Users'])}"
    iam.create_user(UserName=name)
    for number, policy in enumerate(policies):
        made = iam.create_policy(PolicyName=f"{name}-{number}", PolicyDocument=json.dumps(policy))["Policy"]
        iam.attach_user_policy(UserName=name, PolicyArn=made.get("Arn", ""))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=root.session.region_name)
    return Profile("local", session, root.endpoint)


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
