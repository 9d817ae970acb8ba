"""What an administrator switches on and off again, on the embedded AWS: every parameter, and the alarms that ring."""

import json
from collections.abc import Generator
from pathlib import Path
from time import monotonic

import pytest

from mcp_demo.deploy import choices
from mcp_demo.deploy.cleanup import remove, take_inventory
from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.serving import endpoints_plan
from mcp_demo.deploy.stacks import Event, delete, deploy
from mcp_demo.deploy.system import deploy_system
from mcp_demo.local.ministack import running_ministack
from mcp_demo.local.ports import Ports


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Generator[Profile]:
    with running_ministack(tmp_path_factory.mktemp("hard"), Ports.free().aws) as ministack:
        yield Profile.local(ministack.endpoint)


def _silent(event: Event) -> None: ...


def _deploy(profile: Profile, folder: Path, *chosen: str, hardened: bool = True) -> dict[str, str]:
    endpoints = Endpoints(domain="http://localhost:1", aws=profile.endpoint, key_dir=folder)
    wishes = choices.read(chosen)
    return deploy_system(profile, endpoints, folder, _silent, "hard", choices=wishes, hardened=hardened).outputs


def _mfa(profile: Profile, outputs: dict[str, str]) -> str | None:
    return profile.cognito().describe_user_pool(UserPoolId=outputs["UserPoolId"])["UserPool"].get("MfaConfiguration")


def _environment(profile: Profile) -> dict[str, str]:
    return profile.client("lambda").get_function_configuration(FunctionName="hard-register")["Environment"]["Variables"]


def test_a_choice_stays_until_another_takes_its_place(profile: Profile, tmp_path: Path) -> None:
    outputs = _deploy(profile, tmp_path, "identity.Mfa=ON", "registration.Approval=administrator")
    assert (_mfa(profile, outputs), _environment(profile)["APPROVAL"]) == ("ON", "administrator")
    outputs = _deploy(profile, tmp_path)
    assert (_mfa(profile, outputs), _environment(profile)["APPROVAL"]) == ("ON", "administrator")
    outputs = _deploy(profile, tmp_path, "identity.Mfa=OPTIONAL", "registration.Approval=automatic")
    assert (_mfa(profile, outputs), _environment(profile)["APPROVAL"]) == ("OPTIONAL", "automatic")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("Mfa=ON", "is not like identity.Mfa=ON"),
        ("identity.McpUrl=https://x.example/mcp", "To choose from"),
        ("identity.Mfa=SOMETIMES", "one of OFF, OPTIONAL, ON"),
        ("registration.UnusedDays=soon", "a whole number"),
        ("registration.InitialAccessTokens=secret", "SHA-256"),
    ],
)
def test_a_choice_that_cannot_be_is_refused_before_anything_is_deployed(wrong: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        choices.read([wrong])


def test_every_parameter_that_can_be_chosen_is_one_of_its_template() -> None:
    for stack, names in choices.CHOOSABLE.items():
        assert set(names) <= choices.parameters(stack).keys()


def test_an_alarm_rings_at_the_topic(profile: Profile, tmp_path: Path) -> None:
    outputs = _deploy(profile, tmp_path, "hardening.Registrations=3")
    sqs, sns, watch = profile.client("sqs"), profile.client("sns"), profile.client("cloudwatch")
    queue = sqs.create_queue(QueueName="bell")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps({"Statement": [allow]})})
    sns.subscribe(TopicArn=outputs["AlarmTopic"], Protocol="sqs", Endpoint=arn)
    alarm = watch.describe_alarms(AlarmNames=["hard-many-registrations"])["MetricAlarms"][0]
    data = {"MetricName": alarm["MetricName"], "Dimensions": alarm["Dimensions"], "Value": 4.0}
    watch.put_metric_data(Namespace=alarm["Namespace"], MetricData=[data])
    deadline, received = monotonic() + 20, list[str]()
    while not received and monotonic() < deadline:
        answer = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1)
        received = [message["Body"] for message in answer.get("Messages", [])]
    told = json.loads(json.loads(received[0])["Message"])
    assert (told["AlarmName"], told["NewStateValue"]) == ("hard-many-registrations", "ALARM")


def test_the_firewall_counts_loopback_redirects_and_does_not_block_them(profile: Profile, tmp_path: Path) -> None:
    _deploy(profile, tmp_path, "hardening.Firewall=on")
    waf = profile.client("wafv2")
    found = next(acl for acl in waf.list_web_acls(Scope="REGIONAL")["WebACLs"] if acl["Name"] == "hard")
    rules = waf.get_web_acl(Name="hard", Scope="REGIONAL", Id=found["Id"])["WebACL"]["Rules"]
    common = next(rule for rule in rules if rule["Name"] == "common")["Statement"]["ManagedRuleGroupStatement"]
    counted = {override["Name"] for override in common["RuleActionOverrides"] if "Count" in override["ActionToUse"]}
    assert {"EC2MetaDataSSRF_BODY", "GenericRFI_BODY", "GenericRFI_QUERYARGUMENTS"} <= counted
    _deploy(profile, tmp_path, "hardening.Firewall=off")
    assert not waf.list_web_acls(Scope="REGIONAL")["WebACLs"]


def test_the_apis_get_names_of_ones_own_and_lose_them_again(profile: Profile) -> None:
    cloudformation, names = profile.cloudformation(), profile.client("apigatewayv2")
    zone = profile.client("route53").create_hosted_zone(Name="demo.example", CallerReference="1")["HostedZone"]["Id"]
    chosen = {"DomainName": "demo.example", "HostedZoneId": zone.rpartition("/")[2]}
    named = deploy(cloudformation, endpoints_plan("named", chosen), _silent).outputs
    assert (named["McpUrl"], named["BridgeUrl"]) == ("https://mcp.demo.example/mcp", "https://auth.demo.example")
    assert {item["DomainName"] for item in names.get_domain_names()["Items"]} == {
        "mcp.demo.example", "auth.demo.example",
    }  # fmt: skip
    records = profile.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert {"mcp.demo.example.", "auth.demo.example."} <= {record["Name"] for record in records}
    without = deploy(cloudformation, endpoints_plan("named", {"DomainName": "", "HostedZoneId": ""}), _silent).outputs
    assert without["McpUrl"].endswith(".execute-api.us-east-1.amazonaws.com/mcp")
    assert names.get_domain_names()["Items"] == []
    delete(cloudformation, "named-endpoints", _silent)


def test_what_watches_goes_with_the_rest(profile: Profile, tmp_path: Path) -> None:
    _deploy(profile, tmp_path)
    remove(profile, "hard", take_inventory(profile, "hard", tmp_path), _silent)
    assert take_inventory(profile, "hard", tmp_path).is_empty
    assert not profile.client("cloudwatch").describe_alarms(AlarmNamePrefix="hard-")["MetricAlarms"]
