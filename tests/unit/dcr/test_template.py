"""What the template promises and the emulator does not show: it drops expiry and validators without a word."""

from typing import Any, cast

import pytest
from cfnlint.decode import decode_str  # pyright: ignore[reportUnknownVariableType, reportMissingTypeStubs]

from mcp_demo.deploy.templates import template

LARGEST_TEMPLATE = 51_200
"""Bytes that CloudFormation takes without a bucket."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    decoded, problems = decode_str(template("registration"))
    assert not problems
    return cast("dict[str, Any]", decoded)


def _of_type(document: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    resources = cast("dict[str, dict[str, Any]]", document["Resources"])
    return {name: resource["Properties"] for name, resource in resources.items() if resource["Type"] == kind}


def test_no_rule_of_cfn_lint_is_suppressed_and_the_template_needs_no_bucket() -> None:
    text = template("registration")
    assert "cfn-lint" not in text
    assert len(text.encode()) < LARGEST_TEMPLATE


def test_tables_expire_recover_and_are_encrypted(document: dict[str, Any]) -> None:
    tables = _of_type(document, "AWS::DynamoDB::Table")
    assert set(tables) == {"Clients", "Families"}
    for table in tables.values():
        assert table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert table["SSESpecification"] == {"SSEEnabled": True}


def test_every_function_has_a_role_and_a_log_of_its_own(document: dict[str, Any]) -> None:
    functions = _of_type(document, "AWS::Lambda::Function")
    assert set(functions) == {f"{name}Function" for name in ("Register", "Read", "Update", "Delete", "Sweep")}
    roles = [function["Role"]["Fn::GetAtt"][0] for function in functions.values()]
    logs = [function["LoggingConfig"]["LogGroup"]["Ref"] for function in functions.values()]
    assert len(set(roles)) == len(set(logs)) == len(functions)
    assert {(function["Runtime"], *function["Architectures"]) for function in functions.values()} == {
        ("python3.13", "arm64")
    }


def test_no_role_names_everything(document: dict[str, Any]) -> None:
    for name, role in _of_type(document, "AWS::IAM::Role").items():
        for policy in role.get("Policies", []):
            for entry in policy["PolicyDocument"]["Statement"]:
                statement = entry["Fn::If"][1] if "Fn::If" in entry else entry
                assert "*" not in str(statement["Action"]), name
                assert statement["Resource"] != "*", name


def test_every_log_is_kept_for_a_time_that_is_chosen(document: dict[str, Any]) -> None:
    groups = _of_type(document, "AWS::Logs::LogGroup")
    assert len(groups) == 6
    assert all(group["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups.values())


def test_bodies_are_validated_and_every_method_is_in_the_deployment(document: dict[str, Any]) -> None:
    methods = _of_type(document, "AWS::ApiGateway::Method")
    validated = {name for name, method in methods.items() if "RequestValidatorId" in method}
    assert validated == {"RegisterMethod", "UpdateMethod"}
    snapshot = set(document["Resources"]["Deployment1"]["DependsOn"])
    assert set(methods) | set(_of_type(document, "AWS::ApiGateway::GatewayResponse")) == snapshot


def test_the_access_log_holds_no_body_header_or_client(document: dict[str, Any]) -> None:
    stage = _of_type(document, "AWS::ApiGateway::Stage")["Stage"]
    logged = stage["AccessLogSetting"]["Format"]
    assert "$context.status" in logged
    for secret in ("$input", "header", "authorizer", "$context.path"):
        assert secret not in logged
    assert all(setting["DataTraceEnabled"] is False for setting in stage["MethodSettings"])
    assert {"Ref": "RequestsPerSecond"} in [setting["ThrottlingRateLimit"] for setting in stage["MethodSettings"]]
