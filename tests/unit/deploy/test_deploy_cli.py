"""What `mcp-demo deploy` says at its end and while it goes on."""

from pathlib import Path

import boto3
import pytest

from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.preview import Change, Preview
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.stacks import Event
from mcp_demo.deploy.system import Deployment
from mcp_demo.deploy_cli import conclude, table
from mcp_demo.deploy_progress import live

_AWS = Profile("aws", boto3.Session(region_name="eu-central-1"))


@pytest.mark.parametrize(
    ("profile", "name", "cleanup", "costs"),
    [
        (_AWS, "mcp-demo-two", " --profile aws --name mcp-demo-two", "docs/aws.md"),
        (Profile.local("http://localhost:1"), "mcp-demo", "", "nothing, on the embedded AWS"),
    ],
)
def test_the_end_names_addresses_costs_and_the_next_commands(
    profile: Profile, name: str, cleanup: str, costs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoints = Endpoints(mcp="https://one.example/mcp", bridge="https://two.example")
    conclude(Deployment({}, changed=True, endpoints=endpoints), profile, name, Path("/state/env"))
    out, err = capsys.readouterr()
    assert out == ""
    lines = [line.strip() for line in err.splitlines()]
    assert lines[0] == "Deployed."
    assert "MCP server  https://one.example/mcp" in lines
    assert "Bridge      https://two.example" in lines
    assert "Test it     mcp-demo conformance run https://one.example/mcp" in lines
    assert f"Remove it   mcp-demo cleanup{cleanup}" in lines
    assert any(line.startswith("Costs") and costs in line for line in lines)


def test_progress_is_a_line_for_each_stack_and_one_for_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    with live() as tell:
        tell(Event("a", "Pool", "AWS::Cognito::UserPool", "CREATE_IN_PROGRESS"))
        tell(Event("a", "Pool", "AWS::Cognito::UserPool", "CREATE_COMPLETE"))
        tell(Event("a", "a", "AWS::CloudFormation::Stack", "CREATE_COMPLETE"))
        tell(Event("b", "Table", "AWS::DynamoDB::Table", "CREATE_FAILED", "a limit of [tables]"))
    assert [line.split() for line in capsys.readouterr().err.splitlines()] == [
        ["a", "CREATE_COMPLETE", "1", "resources"],
        ["CREATE_FAILED", "Table", "AWS::DynamoDB::Table", "a", "limit", "of", "[tables]"],
    ]


def test_a_preview_is_a_table_of_what_happens_to_what() -> None:
    changes = (Change("add", "Pool", "AWS::X"), Change("change or replace", "P", "AWS::Y"))
    assert table(Preview("a", "would be updated", changes)) == [
        "a  would be updated",
        "  add                Pool  AWS::X",
        "  change or replace  P     AWS::Y",
    ]
