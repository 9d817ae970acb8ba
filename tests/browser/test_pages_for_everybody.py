"""Every page, light and dark, wide and narrow: readable, labelled, titled, and no wider than the screen."""

import pytest
from looks import PROBLEMS, look
from people import (
    add_data,
    allow,
    demo,
    enrol,
    expect_data,
    expect_hello,
    mailed_code,
    new_person,
    press,
    sign_in,
    sign_up,
    to_sign_in,
)
from playwright.sync_api import BrowserContext, expect

from mcp_demo.deploy.profile import Profile
from mcp_demo.local.state import Run


def test_the_checks_find_what_is_wrong(context: BrowserContext) -> None:
    page = context.new_page()
    page.set_content('<div style="width:3000px;color:#999"><input name=a><h3>x</h3><img src="data:,"><button></button>')
    found = " | ".join(page.evaluate(PROBLEMS))
    for problem in ("language", "title", "0 h1", "main", "label: a", "name: <button", "alt", "level", "wide", "contr"):
        assert problem in found, problem


@pytest.mark.slow
def test_the_pages_of_the_clients_and_of_consent(context: BrowserContext, stack: Run) -> None:
    page = context.new_page()
    for kind in ("static", "dcr", "cimd"):
        page.goto(stack.clients[kind])
        look(page, "Not signed in")
        press(page, "Log in")
        look(page, "Allow")
        press(page, "Do not allow")
        look(page, "Not signed in")
        press(page, "Log in")
        allow(page)
        if page.get_by_label("Username").count():  # once signed in at the user pool, nobody asks again for an hour
            sign_in(page, demo(stack))
        press(page, "Fetch MCP Data")
        expect_data(page)
        for fold in page.locator("summary").all()[:2]:
            fold.click()
        look(page, "Hello")
    add_data(page, "Seen", "by many")
    look(page, "Allow")


def test_the_pages_of_the_user_pool(context: BrowserContext, stack: Run) -> None:
    somebody, page = new_person(), context.new_page()
    to_sign_in(page, stack.clients["static"])
    look(page, "Sign in")
    sign_in(page, somebody)
    expect(page.get_by_role("alert")).to_be_visible()
    look(page, "Sign in")
    page.get_by_role("link", name="Create an account").click()
    look(page, "Create an account")
    page.get_by_role("link", name="Sign in").click()
    sign_up(page, stack, somebody)
    look(page, "Set up a second factor")
    enrol(page, somebody)
    expect_hello(page, somebody)
    page.goto(f"{stack.domain}/mailbox")
    look(page, "Local mailbox")


def test_the_pages_of_a_forgotten_password_lead_to_a_new_one(context: BrowserContext, stack: Run) -> None:
    somebody, page = new_person(), context.new_page()
    to_sign_in(page, stack.clients["static"])
    sign_up(page, stack, somebody, mfa=False)
    expect_hello(page, somebody)
    context.clear_cookies()
    to_sign_in(page, stack.clients["static"])
    page.get_by_role("link", name="Forgot your password?").click()
    look(page, "Forgot your password?")
    page.get_by_label("Username").fill(somebody.username)
    press(page, "Send a code")
    look(page, "Set a new password")
    somebody.password = "Another-horse-8-battery"
    page.get_by_label("Code from the email").fill(mailed_code(context, stack, somebody))
    page.get_by_label("New password", exact=True).fill(somebody.password)
    page.get_by_label("New password again").fill(somebody.password)
    press(page, "Set password")
    look(page, "Password changed")
    page.get_by_role("link", name="Sign in").click()
    sign_in(page, somebody)
    expect_hello(page, somebody)


def test_who_got_a_temporary_password_chooses_one(context: BrowserContext, stack: Run) -> None:
    somebody, page = new_person(), context.new_page()
    Profile.local(stack.aws).cognito().admin_create_user(
        UserPoolId=stack.issuer.rpartition("/")[2],
        Username=somebody.username,
        TemporaryPassword=somebody.password,
        UserAttributes=[{"Name": "email", "Value": somebody.email}],
        MessageAction="SUPPRESS",
    )
    to_sign_in(page, stack.clients["static"])
    sign_in(page, somebody)
    look(page, "Choose a password")
    for words in ("New password", "New password again"):
        page.get_by_label(words, exact=True).fill("My-own-horse-9-battery")
    press(page, "Set password")
    expect_hello(page, somebody)


def test_the_pages_that_say_no(context: BrowserContext, stack: Run) -> None:
    page = context.new_page()
    pages = {
        f"{stack.bridge}/authorize?client_id=nobody": "We do not know this application",
        f"{stack.bridge}/authorize?client_id={stack.server}/no.json": "We could not check this application",
        f"{stack.bridge}/callback?state=forged&code=x": "This sign-in cannot be finished",
        f"{stack.domain}/login?client_id=nobody": "This sign-in link does not work",
        f"{stack.clients['static']}/callback?state=forged&code=x": "This sign-in is not known here",
        f"{stack.clients['static']}/nowhere": "There is no such page",
    }
    for url, heading in pages.items():
        page.goto(url)
        look(page, heading)
