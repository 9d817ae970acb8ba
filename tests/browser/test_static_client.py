"""The static client with people at it: real browser, real bridge, real sign-in page, real MCP server."""

import re
from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from mcp_demo.local.state import Run


@pytest.fixture
def context(browser: Browser) -> Generator[BrowserContext]:
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, stack: Run) -> Page:
    page = context.new_page()
    page.goto(stack.clients["static"])
    return page


def sign_in(page: Page, username: str, password: str) -> None:
    page.get_by_label(re.compile("user", re.I)).first.fill(username)
    page.locator("input[type=password]").fill(password)
    page.get_by_role("button", name=re.compile("sign in|log in|continue", re.I)).first.click()


def allow(page: Page) -> None:
    page.get_by_role("button", name="Allow", exact=True).click()


def log_in(page: Page, run: Run) -> None:
    page.get_by_role("button", name="Log in").click()
    allow(page)
    sign_in(page, run.user.username, run.user.password)
    expect(page.get_by_role("heading", name=f"Hello, {run.user.username}")).to_be_visible()


def hops(page: Page) -> list[str]:
    return page.locator(".hops .x-name").all_inner_texts()


def test_a_person_logs_in_and_sees_data_and_every_hop(page: Page, stack: Run) -> None:
    log_in(page, stack)
    page.get_by_role("button", name="Fetch MCP Data").click()
    expect(page.get_by_role("heading", name="Your data on the MCP server")).to_be_visible()
    expect(page.get_by_text(f"{stack.server}/read").first).to_be_visible()
    names = hops(page)
    story = [
        "Call whoami, without a token",
        "Ask who protects the server",
        "Ask the authorization server what it can do",
        "Send the browser to sign in",
        "Sign in at the user pool",
        "The browser comes back",
        "Trade the code for tokens",
        "Call whoami, with the token",
        "Call list_contexts, with the token",
    ]
    assert [name for name in names if name in story][: len(story)] == story
    numbers = page.locator(".hops .x-number").all_inner_texts()
    assert numbers == [str(number) for number in range(1, len(names) + 1)]


def test_nothing_secret_is_on_the_page(page: Page, stack: Run) -> None:
    log_in(page, stack)
    html = page.content()
    assert stack.user.password not in html
    assert not re.search(r"eyJ[A-Za-z0-9_-]{10,}", html)
    assert re.search(r"eyJ…·\d+ chars·sha256 [0-9a-f]{4}", html)


def test_fetching_without_a_login_leads_through_it_to_the_data(page: Page, stack: Run) -> None:
    page.get_by_role("button", name="Fetch MCP Data").click()
    allow(page)
    sign_in(page, stack.user.username, stack.user.password)
    expect(page.get_by_role("heading", name="Your data on the MCP server")).to_be_visible()


def test_adding_data_steps_up_with_the_union_of_scopes_and_then_adds(page: Page, stack: Run) -> None:
    log_in(page, stack)
    page.get_by_label("Name", exact=True).fill("Groceries")
    page.get_by_label("Text", exact=True).fill("Bread & <b>cheese</b>")
    page.get_by_role("button", name="Add data").click()
    expect(page.get_by_text(f"{stack.server}/write").first).to_be_visible()
    allow(page)
    if page.locator("input[type=password]").count():
        sign_in(page, stack.user.username, stack.user.password)
    expect(page.get_by_text("Bread & <b>cheese</b>").first).to_be_visible()
    badges = page.locator(".kv .badge").all_inner_texts()
    assert set(badges) >= {f"{stack.server}/read", f"{stack.server}/write"}
    page.get_by_label("Name", exact=True).fill("Second")
    page.get_by_label("Text", exact=True).fill("without being asked again")
    page.get_by_role("button", name="Add data").click()
    expect(page.get_by_text("without being asked again").first).to_be_visible()


def test_who_denies_at_the_consent_page_is_told_so_in_plain_words(page: Page) -> None:
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Do not allow").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("refused, at the consent page")
    expect(alert).to_contain_text("authorization server")
    expect(page.get_by_role("heading", name="Not signed in")).to_be_visible()


def test_a_wrong_password_stays_at_the_sign_in_page_and_the_right_one_still_works(page: Page, stack: Run) -> None:
    page.get_by_role("button", name="Log in").click()
    allow(page)
    sign_in(page, stack.user.username, "Wrong-password-1")
    expect(page.locator("input[type=password]")).to_be_visible()
    expect(page.get_by_text(re.compile("incorrect|wrong", re.I)).first).to_be_visible()
    sign_in(page, stack.user.username, stack.user.password)
    expect(page.get_by_role("heading", name=f"Hello, {stack.user.username}")).to_be_visible()


def test_two_browsers_at_once_do_not_mix(browser: Browser, stack: Run) -> None:
    contexts = [browser.new_context(), browser.new_context()]
    one, two = (context.new_page() for context in contexts)
    for page in (one, two):
        page.goto(stack.clients["static"])
        page.get_by_role("button", name="Log in").click()
    for page in (two, one):
        allow(page)
    sign_in(one, stack.user.username, stack.user.password)
    expect(one.get_by_role("heading", name=f"Hello, {stack.user.username}")).to_be_visible()
    expect(two.locator("input[type=password]")).to_be_visible()
    two.goto(stack.clients["static"])
    expect(two.get_by_role("heading", name="Not signed in")).to_be_visible()
    assert "Trade the code for tokens" not in hops(two)
    for context in contexts:
        context.close()


def test_an_answer_that_another_browser_asked_for_is_refused(browser: Browser, stack: Run) -> None:
    attacker, victim = browser.new_context(), browser.new_context()
    attacking, page = attacker.new_page(), victim.new_page()
    attacking.goto(stack.clients["static"])
    attacking.get_by_role("button", name="Log in").click()
    allow(attacking)
    attacker.clear_cookies(name=re.compile("static"))  # so that the answer is not used up by the attacker's own browser
    sign_in(attacking, stack.user.username, stack.user.password)
    unknown = "This sign-in is not known here"
    expect(attacking.get_by_role("heading", name=unknown)).to_be_visible()
    page.goto(stack.clients["static"])
    page.goto(attacking.url)
    expect(page.get_by_role("heading", name=unknown)).to_be_visible()
    page.goto(stack.clients["static"])
    expect(page.get_by_role("heading", name="Not signed in")).to_be_visible()
    attacker.close()
    victim.close()


def test_logging_out_ends_the_session(page: Page, context: BrowserContext, stack: Run) -> None:
    log_in(page, stack)
    before = {cookie.get("value") for cookie in context.cookies(stack.clients["static"])}
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Not signed in")).to_be_visible()
    assert not hops(page)
    after = {cookie.get("value") for cookie in context.cookies(stack.clients["static"])}
    assert before != after


def test_the_client_works_with_another_hosted_sign_in(browser: Browser, ministack_hosted_stack: Run) -> None:
    run = ministack_hosted_stack
    context = browser.new_context()
    page = context.new_page()
    page.goto(run.clients["static"])
    page.get_by_role("button", name="Fetch MCP Data").click()
    allow(page)
    sign_in(page, run.user.username, run.user.password)
    expect(page.get_by_role("heading", name="Your data on the MCP server")).to_be_visible()
    context.close()
