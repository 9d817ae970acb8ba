"""What lessons do beside the running system: requests as they are, forged documents, deployments of their own."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from mcp_demo.client.discovery import discover, server_metadata_of
from mcp_demo.client.drive import Walk
from mcp_demo.deploy.stacks import Event, Plan, delete, deploy
from mcp_demo.deploy.system import identity_plan
from mcp_demo.exchange.model import Request, Response
from mcp_demo.lab.asking import ask, connect
from mcp_demo.lab.aws import progress, site, what_if
from mcp_demo.local.state import Run
from mcp_demo.oauth.errors import ResourceMismatch
from mcp_demo.oauth.resource_metadata import well_known_url


def test_headers_of_a_lesson_replace_those_of_the_request(stack: Run) -> None:
    request = Request("GET", stack.server, (("Accept", "text/html"),))
    exchange = ask(stack, request, accept="application/json", x_lesson="2")
    assert exchange.request.headers == (("accept", "application/json"), ("x-lesson", "2"))
    assert exchange.response and exchange.response.status == 401


def test_a_lesson_asks_the_user_pool_at_its_own_address(stack: Run) -> None:
    with connect(stack) as http:
        walk = Walk(server_metadata_of(stack.issuer, stack.server), http)
        statuses = [exchange.response.status for exchange in walk if exchange.response]
    assert statuses[-1] == 200
    assert walk.result.issuer == stack.issuer


def test_a_client_finds_a_forged_document_where_the_lesson_puts_it(stack: Run) -> None:
    forged = {"resource": stack.server, "authorization_servers": [stack.bridge]}
    evil = "http://localhost:6666/mcp"
    with connect(stack, {well_known_url(evil): forged}) as http, pytest.raises(ResourceMismatch):
        list(Walk(discover(evil, Response(401)), http))


@pytest.fixture
def plan(stack: Run) -> Iterator[Plan]:
    here = site(stack)
    made = identity_plan(here.profile, here.endpoints, f"lesson-{uuid4().hex[:8]}")
    deploy(here.profile.cloudformation(), made, lambda event: None)
    yield made
    delete(here.profile.cloudformation(), made.name, lambda event: None)


def test_what_would_change_is_told_and_not_done(stack: Run, plan: Plan) -> None:
    cloud = site(stack).profile.cloudformation()
    for _ in range(2):
        assert what_if(cloud, plan, McpUrl="http://localhost:9999/mcp")["McpServer"].startswith("REPLACED")
    assert what_if(cloud, plan, Mfa="ON")["UserPool"] == "changed in place"
    assert what_if(cloud, plan) == {}
    assert deploy(cloud, plan, lambda event: None).changed is False


def test_progress_tells_what_is_done_and_why_something_failed(capsys: pytest.CaptureFixture[str]) -> None:
    progress(Event("s", "Pool", "AWS::Cognito::UserPool", "CREATE_IN_PROGRESS"))
    progress(Event("s", "Pool", "AWS::Cognito::UserPool", "CREATE_FAILED", "no such tier"))
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 1
    assert said[0].split()[:2] == ["CREATE_FAILED", "Pool"] and said[0].endswith("no such tier")
