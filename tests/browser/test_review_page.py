"""An administrator follows the link of a message and decides, in a real browser."""

import httpx
import pytest
from looks import look
from people import press
from playwright.sync_api import BrowserContext, expect
from review_mail import mailbox

from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.registration import deploy_registration
from mcp_demo.deploy.stacks import outputs
from mcp_demo.local.state import Run

CHOSEN = {"Approval": "administrator", "ApprovalEmail": "admin@example.com", "ApiLogRole": "existing"}


@pytest.mark.parametrize(
    ("decision", "says"), [("Approve", "The application is approved"), ("Deny", "The application is denied")]
)
def test_an_administrator_decides_by_the_link_of_a_message(
    context: BrowserContext, stack: Run, decision: str, says: str
) -> None:
    profile = Profile.local(stack.aws)
    identity = outputs(profile.cloudformation(), "mcp-demo-identity")
    made = deploy_registration(
        profile, stack.endpoints(), identity, lambda _: None, name="reviewed", chosen=CHOSEN
    ).outputs
    mail = mailbox(profile, made["ReviewTopic"])
    body = {"client_name": "<h1>Tool", "redirect_uris": ["http://localhost/cb", "https://client.example/" + "x" * 200]}
    httpx.post(made["RegistrationEndpoint"], json=body, timeout=30).raise_for_status()
    page = context.new_page()
    page.goto(mail.link())
    look(page, "Approve this application?")
    expect(page.get_by_text("<h1>Tool")).to_be_visible()
    press(page, decision)
    look(page, says)
    page.reload()
    expect(page.get_by_role("heading", name=says)).to_be_visible()
