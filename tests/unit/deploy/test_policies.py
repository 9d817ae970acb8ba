"""The IAM policies in infrastructure/policies against what CloudFormation says that it needs for our templates."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

import pytest
from cfnlint.decode import cfn_yaml  # pyright: ignore[reportMissingTypeStubs]
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER  # pyright: ignore[reportMissingTypeStubs]

from mcp_demo.deploy import choices
from mcp_demo.deploy.system import STACKS

_FOLDER = Path(__file__).resolve().parents[3] / "infrastructure" / "policies"
_MOST = 6144  # characters of a managed policy, white space not counted (IAM quotas)
_DEPLOY = ("deploy", "deploy-stacks", "deploy-options")
# What handlers can do and our templates do not ask them to: a pattern of actions, and why they are left out.
_NOT_NEEDED = {
    "kms:*": "no key of ours: everything is encrypted with keys that AWS owns",
    "ec2:*": "no function is in a VPC, and the firewall is not for instances",
    "elasticfilesystem:*": "no function mounts a file system",
    "s3files:*": "no function mounts a file system",
    "s3:GetObjectMetadata": "no table is imported",
    "s3:ListBucket": "no table is imported",
    "s3:REST.PUT.OBJECT": "vended logs go to log groups, not to buckets",
    "firehose:*": "vended logs go to log groups, not to streams",
    "kinesis:*": "no table has a stream of changes",
    "dynamodb:EnableKinesisStreamingDestination": "no table has a stream of changes",
    "dynamodb:DisableKinesisStreamingDestination": "no table has a stream of changes",
    "dynamodb:UpdateKinesisStreamingDestination": "no table has a stream of changes",
    "dynamodb:UpdateContributorInsights": "not switched on",
    "dynamodb:ImportTable": "no table is imported",
    "dynamodb:*Item": "global tables only",
    "dynamodb:Scan": "global tables only",
    "dynamodb:Query": "global tables only",
    "dynamodb:*TableReplica": "global tables only",
    "dynamodb:PutResourcePolicy": "no table has a policy of its own",
    "dynamodb:DeleteResourcePolicy": "no table has a policy of its own",
    "logs:CreateLogStream": "no table is imported",
    "logs:PutLogEvents": "no table is imported",
    "logs:PutDataProtectionPolicy": "no group masks data",
    "logs:DeleteDataProtectionPolicy": "no group masks data",
    "logs:PutIndexPolicy": "no group is indexed",
    "logs:DeleteIndexPolicy": "no group is indexed",
    "logs:PutBearerTokenAuthentication": "no group takes logs by bearer token",
    "logs:*KmsKey": "no key of ours",
    "logs:PutLogGroupDeletionProtection": "cleanup deletes them",
    "logs:DeleteResourcePolicy": "API Gateway's policy is the account's, shared with other APIs",
    "lambda:*Concurrency": "no function reserves concurrency",
    "lambda:GetCodeSigningConfig": "code is not signed",
    "lambda:PutFunctionCodeSigningConfig": "code is not signed",
    "lambda:DeleteFunctionCodeSigningConfig": "code is not signed",
    "lambda:GetLayerVersion": "there are no layers",
    "lambda:PutFunctionRecursionConfig": "not set",
    "lambda:PutFunctionScalingConfig": "not set",
    "lambda:PassCapacityProvider": "functions have no instances of their own",
    "lambda:AssociateRuntimeAlias": "not set",
    "lambda:PublishVersion": "functions have no versions",
    "lambda:PutRuntimeManagementConfig": "not set",
    "iam:DeleteRolePermissionsBoundary": "who deploys never takes a boundary away",
    "iam:*UserPolicy": "policies belong to roles",
    "iam:*GroupPolicy": "policies belong to roles",
    "apigateway:UpdateRestApiPolicy": "no API has a policy of its own",
    "acm-pca:*": "certificates are public ones",
    "sns:PutDataProtectionPolicy": "no topic masks data",
    "secretsmanager:*Region*": "secrets are not replicated",
    "payments:*": "no rule group is bought",
    "wafv2:*PermissionPolicy": "no rule group is shared",
    "elasticloadbalancing:*": "the firewall is for an API and a user pool",
    "appsync:*": "the firewall is for an API and a user pool",
    "apprunner:*": "the firewall is for an API and a user pool",
    "amplify:*": "the firewall is for an API and a user pool",
    "bedrock-agentcore:*": "the firewall is for an API and a user pool",
}
_NOT_NEEDED_TO_DELETE = {
    "AWS::ApiGatewayV2::Api s3:getObject": "no API is described by a file in a bucket",
    "AWS::Cognito::UserPoolClient iam:PutRolePolicy": "no app client has analytics",
    "AWS::Events::Rule iam:PassRole": "rules call functions, which allow it; no role is passed",
    "AWS::WAFv2::WebACLAssociation cognito-idp:AssociateWebACL": "an association is only ended",
    "AWS::WAFv2::WebACLAssociation wafv2:AssociateWebACL": "an association is only ended",
}
# What AWS's own policy AmazonAPIGatewayPushToCloudWatchLogs allows, which one of our roles has.
_API_LOGS = {
    "logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogGroups", "logs:DescribeLogStreams",
    "logs:PutLogEvents", "logs:GetLogEvents", "logs:FilterLogEvents",
}  # fmt: skip
_BOUNDARY = "arn:aws:iam::${aws:PrincipalAccount}:policy/mcp-demo-boundary"
_GIVES_RIGHTS = ("iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:PutRolePermissionsBoundary")
_TO_MAKE = ("create", "read", "update", "delete")


@pytest.mark.parametrize("name", [*_DEPLOY, "ci", "cleanup", "boundary"])
def test_each_policy_fits_into_a_managed_policy(name: str) -> None:
    text = (_FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert len("".join(text.split())) <= _MOST


def test_every_policy_is_known_here() -> None:
    assert {path.stem for path in _FOLDER.glob("*.json")} == {*_DEPLOY, "ci", "cleanup", "boundary"}


def test_deploying_is_allowed_whatever_cloudformation_does_for_our_templates() -> None:
    assert _missing(_DEPLOY, _TO_MAKE) == []


def test_cleaning_up_is_allowed_whatever_cloudformation_does_to_delete_our_stacks() -> None:
    assert _missing(("cleanup",), ("delete",)) == sorted(_NOT_NEEDED_TO_DELETE)


def test_no_permission_is_left_out_without_need() -> None:
    wanted = {action for permissions in _handlers(_TO_MAKE).values() for action in permissions}
    assert [pattern for pattern in _NOT_NEEDED if not any(_like(action, pattern) for action in wanted)] == []


def test_nothing_is_both_allowed_and_said_to_be_needless() -> None:
    allowed = [action for name in _DEPLOY for one in _statements(name) for action in _list(one["Action"])]
    wanted = {action for permissions in _handlers(_TO_MAKE).values() for action in permissions}
    both = [
        action
        for action in sorted(wanted)
        if any(_like(action, one) for one in allowed) and any(_like(action, one) for one in _NOT_NEEDED)
    ]
    assert both == []


def test_what_only_cloudformation_does_is_allowed_to_nobody_else() -> None:
    for name in ("deploy-stacks", "deploy-options"):
        unlimited = [statement["Sid"] for statement in _statements(name) if not _by_cloudformation(statement)]
        assert unlimited == (["ServiceRoles"] if name == "deploy-stacks" else [])  # limited by the service's name


def test_only_looking_is_allowed_everywhere() -> None:
    wide = [
        action
        for name in (*_DEPLOY, "ci", "cleanup")
        for statement in _statements(name)
        if "Condition" not in statement and "mcp-demo" not in json.dumps(statement["Resource"])
        for action in _list(statement["Action"])
    ]
    assert wide
    assert [action for action in wide if not re.search(r":(Get|List|Describe)", action)] == []


def test_roles_are_passed_to_the_services_that_our_roles_trust_and_to_no_other() -> None:
    passing = next(one for one in _statements("deploy") if one["Sid"] == "PassRoles")
    texts = [(_FOLDER.parent / f"{stack}.yaml").read_text(encoding="utf-8") for stack in STACKS]
    trusted = {service for text in texts for service in re.findall(r"Principal: \{ Service: !Sub \"([a-z-]+)\.", text)}
    allowed = passing["Condition"]["StringEquals"]["iam:PassedToService"]
    assert set(allowed) == {f"{service}.amazonaws.com" for service in trusted}


def test_every_role_of_every_template_can_be_given_the_boundary() -> None:
    bounded = {"Fn::If": ["HasBoundary", {"Ref": "PermissionsBoundary"}, {"Ref": "AWS::NoValue"}]}
    roles = [(stack, name, one) for stack, name, one in _of_iam() if one["Type"] == "AWS::IAM::Role"]
    assert {stack for stack, _, _ in roles} == {"identity", "registration", "server"}
    left_out = [(stack, name) for stack, name, one in roles if one["Properties"].get("PermissionsBoundary") != bounded]
    assert left_out == []


def test_the_boundary_allows_the_actions_that_our_roles_have_and_no_other() -> None:
    managed = {text for _, _, one in _of_iam() for text in re.findall(r"policy/[\w/-]+", json.dumps(one))}
    assert managed == {"policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"}
    ours = {action for _, _, one in _of_iam() for action in _allowed(one["Properties"])}
    assert {action for one in _statements("boundary") for action in _list(one["Action"])} == ours | _API_LOGS


def test_the_boundary_is_of_our_names_but_for_what_aws_gives_none() -> None:
    wide = [one["Sid"] for one in _statements("boundary") if "mcp-demo" not in json.dumps(one)]
    assert wide == ["CodesBySms", "WriteLogs", "ReadLogsOfApis", "Traces"]


def test_who_deploys_gives_rights_only_to_roles_within_the_boundary_and_changes_no_policy() -> None:
    giving = [one for name in _DEPLOY for one in _statements(name) if _gives(one, _GIVES_RIGHTS)]
    assert {action for one in giving for action in _list(one["Action"])} == set(_GIVES_RIGHTS)
    assert {one["Condition"]["StringEquals"].get("iam:PermissionsBoundary") for one in giving} == {_BOUNDARY}
    never = ("iam:DeleteRolePermissionsBoundary", "iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion")
    assert [one["Sid"] for name in _DEPLOY for one in _statements(name) if _gives(one, never)] == []


def _gives(statement: dict[str, Any], actions: tuple[str, ...]) -> bool:
    return any(_like(action, pattern) for pattern in _list(statement["Action"]) for action in actions)


def _of_iam() -> Iterator[tuple[str, str, Any]]:
    for stack in STACKS:
        reader: Any = cfn_yaml
        template: dict[str, Any] = reader.load(str(_FOLDER.parent / f"{stack}.yaml"))
        for name, one in template["Resources"].items():
            if one["Type"].startswith("AWS::IAM::"):
                yield stack, name, one


def _allowed(value: Any) -> Iterator[str]:
    """The actions of all policies in it, whatever their condition; not those of a trust policy."""
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _allowed(item)
    elif isinstance(value, dict):
        parts = cast("dict[str, Any]", value)
        yield from _list(parts.get("Action", []))
        for key, item in parts.items():
            if key != "AssumeRolePolicyDocument":
                yield from _allowed(item)


def _missing(policies: tuple[str, ...], occasions: tuple[str, ...]) -> list[str]:
    allowed = [action for name in policies for one in _statements(name) for action in _list(one["Action"])]
    return [
        f"{kind} {action}"
        for kind, permissions in sorted(_handlers(occasions).items())
        for action in permissions
        if not any(_like(action, pattern) for pattern in (*allowed, *_NOT_NEEDED))
    ]


def _handlers(occasions: tuple[str, ...]) -> dict[str, list[str]]:
    """What CloudFormation does for each type of resource in our templates, by its own schemas."""
    found: dict[str, list[str]] = {}
    for kind in {str(one["Type"]) for stack in STACKS for one in choices.resources(stack).values()}:
        known: Any = PROVIDER_SCHEMA_MANAGER
        handlers: dict[str, Any] = known.get_resource_schema("us-east-1", kind).schema["handlers"]
        found[kind] = sorted(
            {one for occasion in occasions for one in handlers.get(occasion, {}).get("permissions", [])}
        )
        assert found[kind], kind
    return found


def _statements(name: str) -> Iterator[dict[str, Any]]:
    yield from json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))["Statement"]


def _by_cloudformation(statement: dict[str, Any]) -> bool:
    equals = statement.get("Condition", {}).get("StringEquals", {})
    return equals.get("aws:CalledViaFirst") == "cloudformation.amazonaws.com"


def _like(action: str, pattern: str) -> bool:
    return fnmatchcase(action.lower(), pattern.lower())


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
