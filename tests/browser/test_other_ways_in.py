"""The clients that nobody registered: one registers itself and can undo it, one is known by its document."""

import httpx
from people import allow, demo, expect_data, press, sign_in
from playwright.sync_api import BrowserContext, Page, expect
from typer.testing import CliRunner

from mcp_demo import registry_cli
from mcp_demo.local.state import Run


def _fetch(page: Page, stack: Run) -> None:
    press(page, "Fetch MCP Data")
    allow(page)
    if page.get_by_label("Username").count():
        sign_in(page, demo(stack))
    expect_data(page)


def _registered(stack: Run) -> list[str]:
    listed = CliRunner().invoke(registry_cli.app, ["list", "--ids", "--state", str(stack.state)])
    assert listed.exit_code == 0, listed.output
    return listed.stdout.split()


def _client_id(page: Page) -> str:
    registration = page.get_by_role("region", name="My registration")
    return registration.get_by_role("definition").first.inner_text()


def test_the_auto_client_shows_its_registration_forgets_it_and_starts_over(context: BrowserContext, stack: Run) -> None:
    page = context.new_page()
    page.goto(stack.clients["dcr"])
    _fetch(page, stack)
    before = _client_id(page)
    assert before in _registered(stack)

    press(page, "Forget it and start over")
    expect(page.get_by_text("Registration forgotten")).to_be_visible()
    expect(page.get_by_role("heading", name="Not signed in")).to_be_visible()
    expect(page.get_by_role("region", name="My registration")).to_have_count(0)
    taken_back = page.get_by_role("article", name="Take the registration back")
    expect(taken_back.get_by_text("DELETE").first).to_be_visible()
    assert before not in _registered(stack)

    _fetch(page, stack)
    expect(page.get_by_role("article", name="Register this client").last).to_be_visible()
    after = _client_id(page)
    assert after != before
    assert after in _registered(stack)


def test_a_forgotten_client_is_a_stranger_to_the_bridge(context: BrowserContext, stack: Run) -> None:
    page = context.new_page()
    page.goto(stack.clients["dcr"])
    press(page, "Log in")
    consent = page.url
    press(page, "Do not allow")
    client_id = _client_id(page)  # shown although nobody signed in
    press(page, "Forget it and start over")
    page.goto(consent)
    expect(page.get_by_role("heading", name="We do not know this application")).to_be_visible()
    assert client_id not in _registered(stack)


def test_the_metadata_client_serves_the_document_that_its_page_names(context: BrowserContext, stack: Run) -> None:
    page, address = context.new_page(), f"{stack.clients['cimd']}/client.json"
    page.goto(stack.clients["cimd"])
    link = page.get_by_role("region", name="My document").get_by_role("link")
    expect(link).to_have_text(address)
    document = httpx.get(address, trust_env=False).raise_for_status().json()
    assert document["client_id"] == address
    assert document["redirect_uris"] == [f"{stack.clients['cimd']}/callback"]
    assert document["token_endpoint_auth_method"] == "none"
    _fetch(page, stack)
    expect(page.get_by_role("article", name="Register this client")).to_have_count(0)
    assert address not in _registered(stack)
