"""`mcp-demo doctor --profile aws`, with the embedded AWS in the place of AWS: what it does not tell is not known."""

import json
import sys
from collections.abc import Generator
from pathlib import Path

import boto3
import pytest

from mcp_demo import cli
from mcp_demo.deploy.preflight import Fact, examine
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.templates import policy
from mcp_demo.local.ministack import running_ministack
from mcp_demo.local.ports import Ports


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Generator[Profile]:
    with running_ministack(tmp_path_factory.mktemp("preflight"), Ports.free().aws) as ministack:
        yield Profile.local(ministack.endpoint)


def _user(root: Profile, name: str, *statements: object) -> Profile:
    """Somebody who may ask IAM what they may, and what the statements say."""
    iam = root.iam()
    iam.create_user(UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/IAMReadOnlyAccess")
    document = {"Version": "2012-10-17", "Statement": statements}
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=root.session.region_name)
    return Profile("local", session, root.endpoint)


def _by_topic(profile: Profile) -> dict[str, Fact]:
    return {fact.topic: fact for fact in examine(profile)}


def test_who_may_deploy_is_told_so_and_what_nobody_tells_is_not_known(root: Profile) -> None:
    facts = _by_topic(_user(root, "deployer", *policy("deploy")["Statement"]))
    assert {topic for topic, fact in facts.items() if fact.state == "ok"} == {
        "clock", "region", "credentials", "functions at once", "permissions",
    }  # fmt: skip
    # There is no Service Quotas in the embedded AWS, and the deployer may not look at certificates.
    assert {topic for topic, fact in facts.items() if fact.state == "unknown"} == {
        "user pools", "app clients", "certificates",
    }  # fmt: skip
    assert "user/deployer in account 000000000000" in facts["credentials"].text


def test_a_missing_permission_is_found_before_the_deployment(root: Profile) -> None:
    allowed = [one for one in policy("deploy")["Statement"] if one["Sid"] != "Code"]
    fact = _by_topic(_user(root, "half", *allowed))["permissions"]
    assert fact.state == "wrong"
    assert "s3:CreateBucket" in fact.text
    assert "cloudformation" not in fact.text


def test_who_may_not_ask_iam_is_told_that_it_is_not_known(root: Profile) -> None:
    stranger = _user(root, "stranger", policy("ci")["Statement"][0])
    root.iam().detach_user_policy(UserName="stranger", PolicyArn="arn:aws:iam::aws:policy/IAMReadOnlyAccess")
    assert _by_topic(stranger)["permissions"].state == "unknown"


def test_refused_credentials_are_wrong_and_nothing_else_is_guessed(root: Profile) -> None:
    session = boto3.Session("AKIASTRANGER", "x", region_name="us-east-1")
    facts = _by_topic(Profile("local", session, root.endpoint))
    assert facts["credentials"].state == "wrong"
    assert (facts["clock"].state, facts["permissions"].state) == ("ok", "unknown")


def test_the_command_prints_a_line_for_each_and_takes_no_url(
    root: Profile, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", str(root.endpoint))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    outs: list[str] = []
    for words, code in (([], 0), (["--json"], 0), (["https://mcp.example/mcp"], 2)):
        monkeypatch.setattr(sys, "argv", ["mcp-demo", "doctor", "--profile", "aws", *words])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert int(caught.value.code or 0) == code
        outs.append(capsys.readouterr().out)
    assert "? not known user pools" in outs[0]
    assert outs[0].rstrip().endswith("not known: user pools, app clients.")
    assert json.loads(outs[1])["verdict"]["exit_code"] == 0
