"""What people do with a browser that no diagram shows: back, double click, two tabs, reload, no cookies."""

import pytest
from people import allow, demo, expect_hello, press, sign_in, to_sign_in
from playwright.sync_api import Browser, BrowserContext, expect

from mcp_demo.local.state import Run

pytestmark = pytest.mark.slow


def test_back_and_forth_and_a_second_sign_in_lead_to_the_same_person(context: BrowserContext, stack: Run) -> None:
    page = context.new_page()
    to_sign_in(page, stack.clients["static"])
    page.go_back()
    expect(page.get_by_role("button", name="Allow", exact=True)).to_be_visible()
    allow(page)
    sign_in(page, demo(stack))
    expect_hello(page, demo(stack))
    page.go_back()
    page.goto(stack.clients["static"])
    expect_hello(page, demo(stack))


def test_a_double_click_on_allow_and_on_sign_in_is_one_login(context: BrowserContext, stack: Run) -> None:
    page = context.new_page()
    page.goto(stack.clients["static"])
    press(page, "Log in")
    page.get_by_role("button", name="Allow", exact=True).dblclick()
    page.get_by_label("Username").fill(stack.user.username)
    page.get_by_label("Password", exact=True).fill(stack.user.password)
    page.get_by_role("button", name="Sign in", exact=True).dblclick()
    expect_hello(page, demo(stack))


def test_two_tabs_of_one_browser_both_get_in(context: BrowserContext, stack: Run) -> None:
    first, second = context.new_page(), context.new_page()
    to_sign_in(first, stack.clients["static"])
    to_sign_in(second, stack.clients["dcr"])
    sign_in(first, demo(stack))
    sign_in(second, demo(stack))
    expect_hello(first, demo(stack))
    expect_hello(second, demo(stack))


def test_an_answer_reloaded_is_refused_in_words_and_the_person_stays_signed_in(
    context: BrowserContext, stack: Run
) -> None:
    page, answers = context.new_page(), list[str]()
    page.on("request", lambda request: answers.append(request.url) if "code=" in request.url else None)
    to_sign_in(page, stack.clients["static"])
    sign_in(page, demo(stack))
    expect_hello(page, demo(stack))
    for answer in [url for url in answers if "/callback?" in url]:
        page.goto(answer)
        assert "was finished already" in page.content() or "was used already" in page.content()
    page.goto(stack.clients["static"])
    expect_hello(page, demo(stack))


def test_without_cookies_the_first_step_that_needs_one_says_so(browser: Browser, stack: Run) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(stack.clients["static"])
    context.clear_cookies()
    press(page, "Log in")
    expect(page.get_by_text("or cookies are switched off")).to_be_visible()
    page.goto(stack.clients["static"])
    press(page, "Log in")
    context.clear_cookies()
    allow(page)
    expect(page.get_by_text("cookies are switched off")).to_be_visible()
    context.close()
