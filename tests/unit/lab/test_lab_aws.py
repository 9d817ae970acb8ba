"""What the lessons on AWS work out by themselves, without any AWS."""

from pathlib import Path

import httpx
import pytest

from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.stacks import Event
from mcp_demo.deploy.system import STACKS
from mcp_demo.errors import SetupError
from mcp_demo.lab.aws import Front, Site, each_stack, eventually, proofs, would_make


def test_what_a_template_makes_is_told_by_service_and_what_is_conditional_apart() -> None:
    told = {stack: would_make(stack) for stack in STACKS}
    assert told["endpoints"].startswith("5: ApiGatewayV2 4")
    assert told["endpoints"].endswith("7 more under a condition")
    assert all(": " in one for one in told.values())


def test_progress_by_stack_is_a_line_for_each_and_one_for_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    tell = each_stack()
    tell(Event("mine-a", "Api", "AWS::X::Api", "CREATE_IN_PROGRESS"))
    tell(Event("mine-a", "Api", "AWS::X::Api", "CREATE_COMPLETE"))
    tell(Event("mine-b", "Role", "AWS::X::Role", "CREATE_FAILED", "not allowed"))
    tell(Event("mine-a", "mine-a", "AWS::CloudFormation::Stack", "CREATE_COMPLETE"))
    failure, stack = capsys.readouterr().out.splitlines()
    assert failure.startswith("CREATE_FAILED")
    assert failure.endswith("not allowed")
    assert stack.split() == ["CREATE_COMPLETE", "mine-a", "1", "resources"]


def test_what_never_comes_is_given_up_in_one_line() -> None:
    with pytest.raises(SetupError, match="no answer in 0 seconds"):
        eventually(lambda: [], seconds=0)
    assert eventually(lambda: ["a line"], seconds=0) == ["a line"]


def test_every_row_of_the_parity_table_is_counted() -> None:
    counted = proofs()
    assert set(counted) == {"proven on our stand-in", "proven on the emulator", "documented, not proven"}
    assert sum(counted.values()) >= 38


@pytest.mark.parametrize(("target", "sent_to"), [("embedded", "localhost:1"), ("aws", "mcp.example")])
def test_a_request_goes_below_the_embedded_aws_and_on_aws_straight_on(
    monkeypatch: pytest.MonkeyPatch, target: str, sent_to: str
) -> None:
    seen = list[httpx.Request]()

    def send(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", send)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    profile = Profile.local("http://localhost:1") if target == "embedded" else Profile.aws()
    here = Site(profile, Endpoints(), Path())
    outputs = {"McpUrl": "https://mcp.example/mcp", "BridgeUrl": "https://auth.example"}
    outputs |= {"ServerApiId": "a1", "BridgeApiId": "b2"}
    with httpx.Client(transport=Front(here, outputs)) as http:
        http.get("https://mcp.example/health?deep=1")
    (request,) = seen
    assert request.url.netloc.decode() == sent_to
    assert request.url.path == ("/_aws/execute-api/a1/health" if target == "embedded" else "/health")
    assert request.url.query == b"deep=1"
    assert request.headers["host"] == "mcp.example"
