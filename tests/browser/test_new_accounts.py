"""From nothing to data, with each of the three clients: sign up, code, second factor, consent; then once more."""

import pytest
from people import (
    add_data,
    allow,
    answer_challenge,
    enrol,
    expect_data,
    expect_hello,
    new_person,
    press,
    sign_in,
    sign_up,
    to_sign_in,
)
from playwright.sync_api import Browser, BrowserContext, expect

from mcp_demo.local.state import Run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["static", "dcr", "cimd"])
def test_somebody_new_gets_in_with_a_second_factor_and_then_again(
    kind: str, browser: Browser, context: BrowserContext, stack: Run
) -> None:
    somebody, page = new_person(), context.new_page()
    to_sign_in(page, stack.clients[kind])
    sign_up(page, stack, somebody)
    enrol(page, somebody)
    expect_hello(page, somebody)
    press(page, "Fetch MCP Data")
    expect_data(page)

    press(page, "Log out")
    press(page, "Fetch MCP Data")
    allow(page)  # asked every time; who is signed in at the user pool is not asked for the password again
    expect_data(page)
    expect_hello(page, somebody)

    elsewhere = browser.new_context()
    other = elsewhere.new_page()
    to_sign_in(other, stack.clients[kind])
    sign_in(other, somebody)
    answer_challenge(other, somebody)
    expect_hello(other, somebody)
    elsewhere.close()


@pytest.mark.parametrize("kind", ["static", "dcr", "cimd"])
def test_two_new_people_at_once_never_see_each_other(kind: str, browser: Browser, stack: Run) -> None:
    people = [new_person(), new_person()]
    contexts = [browser.new_context() for _ in people]
    pages = [context.new_page() for context in contexts]
    for page in pages:
        to_sign_in(page, stack.clients[kind])
    for page, somebody in zip(reversed(pages), reversed(people), strict=True):
        sign_up(page, stack, somebody, mfa=False)
    for page, somebody in zip(pages, people, strict=True):
        expect_hello(page, somebody)
    for page in pages:
        add_data(page, "Note", "will be asked first")
    for page, somebody in zip(pages, people, strict=True):
        allow(page)
        expect(page.get_by_text("Data added")).to_be_visible()
        expect_hello(page, somebody)
    add_data(pages[0], "Mine", f"only {people[0].username} knows")
    press(pages[1], "Fetch MCP Data")
    expect(pages[0].locator(".entry")).to_have_count(2)
    expect(pages[1].locator(".entry")).to_have_count(1)
    assert people[0].username not in pages[1].content()
    for context in contexts:
        context.close()


def test_a_wrong_first_code_keeps_the_key_that_was_scanned(context: BrowserContext, stack: Run) -> None:
    somebody, page = new_person(), context.new_page()
    to_sign_in(page, stack.clients["static"])
    sign_up(page, stack, somebody)
    key = page.locator("#secret").inner_text()
    page.get_by_label("Six-digit code").fill("000000")
    press(page, "Continue")
    expect(page.get_by_role("alert")).to_contain_text("does not fit")
    assert page.locator("#secret").inner_text() == key
    enrol(page, somebody)
    expect_hello(page, somebody)
