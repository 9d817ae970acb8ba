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
    names = ("Register", "Read", "Update", "Delete", "Sweep", "Authorizer", "Review")
    assert set(functions) == {f"{name}Function" for name in names}
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
    assert len(groups) == 8
    assert all(group["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups.values())


def test_bodies_are_validated_and_every_method_is_in_the_deployment(document: dict[str, Any]) -> None:
    methods = _of_type(document, "AWS::ApiGateway::Method")
    validated = {name for name, method in methods.items() if "RequestValidatorId" in method}
    assert validated == {"RegisterMethod", "UpdateMethod"}
    for name in _of_type(document, "AWS::ApiGateway::Deployment"):
        snapshot = set(document["Resources"][name]["DependsOn"])
        assert set(methods) | set(_of_type(document, "AWS::ApiGateway::GatewayResponse")) == snapshot


def test_the_access_log_holds_no_body_header_or_client(document: dict[str, Any]) -> None:
    stage = _of_type(document, "AWS::ApiGateway::Stage")["Stage"]
    logged = stage["AccessLogSetting"]["Format"]
    assert "$context.status" in logged
    for secret in ("$input", "header", '$context.identity.apiKey"', "$context.path"):
        assert secret not in logged
    assert all(setting["DataTraceEnabled"] is False for setting in stage["MethodSettings"])
    assert {"Ref": "RequestsPerSecond"} in [setting["ThrottlingRateLimit"] for setting in stage["MethodSettings"]]


def test_each_state_of_the_switches_has_a_snapshot_of_its_own(document: dict[str, Any]) -> None:
    resources = document["Resources"]
    snapshots = {resources[name]["Condition"]: name for name in _of_type(document, "AWS::ApiGateway::Deployment")}
    assert set(snapshots) == {"TakesNeither", "TakesTokensOnly", "TakesKeysOnly", "TakesBoth"}
    chosen = str(resources["Stage"]["Properties"]["DeploymentId"])
    assert all(f"'{name}'" in chosen for name in snapshots.values())


def test_a_domain_asks_for_certificates_and_leaves_no_way_around_it(document: dict[str, Any]) -> None:
    (domain,) = _of_type(document, "AWS::ApiGateway::DomainName").values()
    assert domain["MutualTlsAuthentication"] == {"TruststoreUri": {"Ref": "TruststoreUri"}}
    (api,) = _of_type(document, "AWS::ApiGateway::RestApi").values()
    assert api["DisableExecuteApiEndpoint"] == {"Fn::If": ["HasDomain", True, False]}
    # API Gateway heeds that only when a stage changes, too.
    assert "HasDomain" in str(document["Resources"]["Stage"]["Properties"]["Variables"])
    (rule,) = (rule for name, rule in document["Rules"].items() if name.startswith("MutualTls"))
    for part in ("RuleCondition", "Assertions"):
        assert all(f"'{name}'" in str(rule[part]) for name in ("DomainName", "HostedZoneId", "TruststoreUri"))


def test_no_answer_of_the_authorizer_is_kept(document: dict[str, Any]) -> None:
    (authorizer,) = _of_type(document, "AWS::ApiGateway::Authorizer").values()
    assert authorizer["AuthorizerResultTtlInSeconds"] == 0
