"""Every choice of every stack at once by one command, and off again by another; people sign in all the while.

Server and bridge are Lambda functions, so all five stacks are there.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from company import Company, working_company
from every_choice import DOMAIN, TOKEN, every_choice
from people import (
    Account,
    add_data,
    allow,
    answer_challenge,
    demo,
    enrol,
    expect_data,
    expect_hello,
    granted,
    new_person,
    press,
    sign_in,
    sign_up,
    to_sign_in,
)
from playwright.sync_api import Browser, Page, expect
from review_mail import mailbox
from typer.testing import CliRunner

from mcp_demo import cli
from mcp_demo.deploy import choices
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.stacks import find, outputs
from mcp_demo.deploy.system import STACKS, stack_name
from mcp_demo.local.ports import Ports
from mcp_demo.local.stack import Options, Processes, started
from mcp_demo.local.state import Run
from mcp_demo.oauth import pkce

pytestmark = pytest.mark.slow

LOOPBACK = "http://localhost:51234/callback"
LEFT_OUT = {
    # The account's role for API Gateway's logs: `existing` leaves that setting to the account.
    "LogAccount", "LogAccountRole",
    # Registration is open, or takes but one of token and key.
    "Open2", "WithTokens2", "WithKeys2",
    # The embedded AWS knows neither styles of the sign-in pages nor risks, nor what a firewall would stand in front of.
    "BridgeLoginStyle", "StaticClientLoginStyle", "Risks", "RegistrationShield", "SignInShield",
    # It rotates no secret by itself.
    "RotationSchedule",
}  # fmt: skip
"""The resources of the templates that do not come with everything else, or not on the embedded AWS."""
LISTS = (
    ("lambda", "list_functions"), ("iam", "list_roles"), ("logs", "describe_log_groups"), ("events", "list_rules"),
    ("dynamodb", "list_tables"), ("secretsmanager", "list_secrets"), ("sns", "list_topics"),
    ("apigateway", "get_rest_apis"), ("apigateway", "get_domain_names"), ("apigateway", "get_api_keys"),
    ("apigateway", "get_usage_plans"), ("apigatewayv2", "get_apis"), ("apigatewayv2", "get_domain_names"),
    ("acm", "list_certificates"), ("cloudwatch", "describe_alarms"), ("cloudwatch", "list_dashboards"),
)  # fmt: skip
KINDS = (
    "Functions", "Roles", "logGroups", "Rules", "TableNames", "SecretList", "Topics", "items", "Items",
    "CertificateSummaryList", "MetricAlarms", "DashboardEntries",
)  # fmt: skip
NAMES = (
    "FunctionName", "RoleName", "logGroupName", "TopicArn", "AlarmName", "DashboardName", "DomainName", "domainName",
    "Name", "name",
)  # fmt: skip


@dataclass
class Administrator:
    """Who deploys with `mcp-demo`, and looks at what is there."""

    run: Run
    processes: Processes

    def __post_init__(self) -> None:
        self.aws = Profile.local(self.run.aws)

    def deploy(self, *options: str, chosen: choices.Choices) -> None:
        """Run the command. The stand-in for the pool's domain reads its settings when it starts, so it starts again."""
        words = (f"{stack}.{name}={value}" for stack, values in chosen.items() for name, value in values.items())
        sets = [word for text in words for word in ("--set", text)]
        done = CliRunner().invoke(cli.app, ["deploy", "--state", str(self.run.state), *options, *sets])
        assert done.exit_code == 0, done.output + repr(done.exception)
        self.processes.restart("domain")

    def values(self) -> choices.Choices:
        """What is chosen now; of a stack that is not there, what it starts with."""
        return {stack: {name: self._value(stack, name) for name in names} for stack, names in choices.CHOOSABLE.items()}

    def _value(self, stack: str, name: str) -> str:
        there = find(self.aws.cloudformation(), stack_name("mcp-demo", stack)) or {}
        known = {item.get("ParameterKey"): item.get("ParameterValue", "") for item in there.get("Parameters", [])}
        return known[name] if name in known else str(choices.parameters(stack)[name]["Default"])

    def output(self, name: str) -> str:
        """An output of the registration stack."""
        return outputs(self.aws.cloudformation(), "mcp-demo-registration")[name]

    def resources(self) -> dict[str, dict[str, str]]:
        """What the stacks are made of: kinds and ids, by stack; without the ids of what goes and comes back as new."""
        cloudformation = self.aws.cloudformation()
        there = [name for stack in STACKS if find(cloudformation, name := stack_name("mcp-demo", stack))]
        return {name: dict(_resources(cloudformation.describe_stack_resources(StackName=name))) for name in there}

    def standing(self) -> set[str]:
        """The names of what there is, asked of the services themselves."""
        answers: list[tuple[str, Any]] = [(one, getattr(self.aws.client(one), call)()) for one, call in LISTS]
        return {f"{service} {name}" for service, answer in answers for name in _names(answer)}

    def missing(self) -> Generator[str]:
        """What the templates declare and the stacks do not have."""
        there = {key.partition(" ")[0] for resources in self.resources().values() for key in resources}
        for stack in STACKS:
            yield from choices.resources(stack).keys() - there


def _resources(described: Any) -> Generator[tuple[str, str]]:
    for item in described["StackResources"]:
        if item["ResourceStatus"] != "DELETE_COMPLETE":
            name = item["LogicalResourceId"]
            yield f"{name} {item['ResourceType']}", "" if name in LEFT_OUT else item["PhysicalResourceId"]


def _names(answer: dict[str, Any]) -> Generator[str]:
    items = [answer[key] for key in KINDS if key in answer]
    for item in items[0]:
        yield str(item if isinstance(item, str) else next(item[key] for key in NAMES if key in item))


@pytest.fixture(scope="module")
def administrator(tmp_path_factory: pytest.TempPathFactory) -> Generator[Administrator]:
    with started(Options(tmp_path_factory.mktemp("everything"), Ports.free(), served_by="lambda")) as (run, processes):
        yield Administrator(run, processes)


@pytest.fixture(scope="module")
def company() -> Generator[Company]:
    with working_company() as made:
        yield made


def test_everything_goes_on_at_once_and_off_again_and_people_get_in_all_the_while(
    browser: Browser, administrator: Administrator, company: Company
) -> None:
    run, ada, first = administrator.run, new_person(), _page(browser)
    on, start = every_choice(administrator.aws, company.url), administrator.values()
    assert [f"{k}.{name}" for k, values in on.items() for name in values if values[name] == start[k][name]] == []

    to_sign_in(first, run.clients["static"])
    sign_up(first, run, ada, mfa=False)
    expect_hello(first, ada)
    add_data(first, "Before", "anything was on")
    allow(first)
    expect(first.locator(".entry")).to_have_count(1)
    itself = _page(browser)
    _gets_in_with_a_client_that_registers_itself(itself, run, ada)
    before, there = administrator.resources(), administrator.standing()

    administrator.deploy("--harden", chosen=on)
    assert administrator.values() == on
    assert set(administrator.missing()) == LEFT_OUT
    assert len(administrator.standing() - there) > 30
    hers = _page(browser)
    _the_second_factor_is_asked_for(hers, _page(browser), run, ada)
    press(itself, "Fetch MCP Data")  # registered while anybody could
    expect_data(itself)
    _people_of_the_company_get_in(_page(browser), run)
    _who_registers_needs_leave(hers, administrator)

    administrator.deploy("--no-harden", chosen={stack: start[stack] for stack in on if stack != "hardening"})
    assert administrator.values() == start
    assert administrator.resources() == before
    assert administrator.standing() == there
    press(first, "Fetch MCP Data")
    expect(first.locator(".entry")).to_have_count(2)
    last = _page(browser)
    to_sign_in(last, run.clients["static"])
    expect(last.get_by_role("link", name="Continue with")).to_have_count(0)
    sign_in(last, demo(run))
    expect_hello(last, demo(run))
    bob, page = new_person(), _page(browser)
    to_sign_in(page, run.clients["dcr"])
    sign_up(page, run, bob, mfa=False)
    expect_hello(page, bob)
    press(page, "Fetch MCP Data")
    expect_data(page)


def _page(browser: Browser) -> Page:
    """A page in a browser of somebody who was never here."""
    return browser.new_context().new_page()


def _gets_in_with_a_client_that_registers_itself(page: Page, run: Run, account: Account) -> None:
    to_sign_in(page, run.clients["dcr"])
    sign_in(page, account)
    expect_hello(page, account)
    press(page, "Fetch MCP Data")
    expect_data(page)


def _the_second_factor_is_asked_for(page: Page, elsewhere: Page, run: Run, account: Account) -> None:
    to_sign_in(page, run.clients["static"])
    sign_in(page, account)
    enrol(page, account)
    expect_hello(page, account)
    add_data(page, "Between", "everything is on")
    allow(page)
    expect(page.locator(".entry")).to_have_count(2)
    assert granted(page) >= {f"{run.server}/read", f"{run.server}/write"}
    to_sign_in(elsewhere, run.clients["cimd"])
    sign_in(elsewhere, account)
    answer_challenge(elsewhere, account)
    expect_hello(elsewhere, account)
    press(elsewhere, "Fetch MCP Data")
    expect_data(elsewhere)


def _people_of_the_company_get_in(page: Page, run: Run) -> None:
    """Google and the SAML provider are offered, too; nobody here answers for them."""
    to_sign_in(page, run.clients["static"])
    for name in ("Google", "Partner"):
        expect(page.get_by_role("link", name=f"Continue with {name}")).to_be_visible()
    page.get_by_role("link", name="Continue with Company").click()
    expect(page.get_by_role("heading", name="Hello, Company_ada-42")).to_be_visible()
    press(page, "Fetch MCP Data")
    expect_data(page)


def _who_registers_needs_leave(page: Page, administrator: Administrator) -> None:
    """Registration asks for a token, a key and an administrator, and gives a client of its own for reading only.

    It is at a name of one's own, for clients with a certificate. No name leads there on this machine, and the embedded
    AWS asks for no certificate, so the request goes to the API's own address, which AWS would have closed.
    """
    run, aws = administrator.run, administrator.aws
    mail = mailbox(aws, administrator.output("ReviewTopic"))
    key = aws.client("apigateway").get_api_key(apiKey=administrator.output("ApiKeyId"), includeValue=True)["value"]
    address = f"{run.aws}/_aws/execute-api/{administrator.output('RegistrationApiId')}/v1/register"
    wish = {"client_name": "Tool", "redirect_uris": [LOOPBACK], "token_endpoint_auth_method": "none"}
    assert httpx.post(address, json=wish, headers={"x-api-key": key}, timeout=30).status_code == 401
    leave = {"authorization": f"Bearer {TOKEN}", "x-api-key": key}
    client = httpx.post(address, json=wish, headers=leave, timeout=30).raise_for_status().json()
    assert client["registration_client_uri"].startswith(f"https://registration.{DOMAIN}/register/")
    assert client["scope"] == f"{run.server}/read"

    verifier = pkce.new_verifier()
    asked = {
        "response_type": "code", "client_id": client["client_id"], "redirect_uri": LOOPBACK, "resource": run.server,
        "code_challenge": pkce.challenge(verifier), "code_challenge_method": "S256", "state": "s",
    }  # fmt: skip
    start = f"{run.bridge}/authorize?{urlencode(asked)}"
    page.goto(start)
    expect(page.get_by_text("waits for approval")).to_be_visible()
    page.goto(mail.link())
    press(page, "Approve")
    expect(page.get_by_role("heading", name="The application is approved")).to_be_visible()

    page.route(f"{LOOPBACK}**", lambda route: route.fulfill(body="back at the tool"))
    page.goto(start)
    allow(page)
    expect(page.get_by_text("back at the tool")).to_be_visible()
    form = {
        "grant_type": "authorization_code", "code": parse_qs(urlsplit(page.url).query)["code"][0],
        "client_id": client["client_id"], "redirect_uri": LOOPBACK, "code_verifier": verifier, "resource": run.server,
    }  # fmt: skip
    granted = httpx.post(f"{run.bridge}/token", data=form, timeout=30).raise_for_status().json()
    assert granted["scope"].split() == [f"{run.server}/read"]
