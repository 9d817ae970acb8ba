"""People in front of the pages: what they click and type, from a new account to data."""

import base64
import hmac
import re
import struct
import time
from dataclasses import dataclass
from uuid import uuid4

from playwright.sync_api import BrowserContext, Page, expect

from mcp_demo.local.state import Run

_STEP = 30


@dataclass(slots=True)
class Account:
    """A person's account; `secret` is what their authenticator app holds, once it does."""

    username: str
    password: str
    secret: str = ""

    @property
    def email(self) -> str:
        """Where their mail goes."""
        return f"{self.username}@example.com"


def new_person() -> Account:
    """Somebody whom nobody knows yet."""
    return Account(f"u{uuid4().hex[:10]}", "Correct-horse-7-battery")


def demo(run: Run) -> Account:
    """The demo user."""
    return Account(run.user.username, run.user.password)


def press(page: Page, name: str) -> None:
    """Click a button."""
    page.get_by_role("button", name=name, exact=True).click()


def allow(page: Page) -> None:
    """Say yes at the consent page."""
    press(page, "Allow")


def to_sign_in(page: Page, url: str) -> None:
    """From a client's page over consent to the sign-in page."""
    page.goto(url)
    press(page, "Log in")
    allow(page)


def sign_in(page: Page, account: Account) -> None:
    """Give name and password at the sign-in page."""
    page.get_by_label("Username").fill(account.username)
    page.get_by_label("Password", exact=True).fill(account.password)
    press(page, "Sign in")


def sign_up(page: Page, run: Run, account: Account, *, mfa: bool = True) -> None:
    """From the sign-in page to a new, confirmed account; with `mfa`, up to the enrolment page."""
    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("Username").fill(account.username)
    page.get_by_label("Email address").fill(account.email)
    page.get_by_label("New password", exact=True).fill(account.password)
    page.get_by_label("New password again").fill(account.password)
    page.get_by_label("Set up an authenticator app").set_checked(mfa)
    press(page, "Sign up")
    page.get_by_label("Code from the email").fill(mailed_code(page.context, run, account))
    press(page, "Confirm")


def mailed_code(context: BrowserContext, run: Run, account: Account) -> str:
    """Look into the local mailbox."""
    mailbox = context.new_page()
    mailbox.goto(f"{run.domain}/mailbox")
    mail = mailbox.get_by_role("article").filter(has_text=account.email).first.inner_text()
    mailbox.close()
    found = re.search(r"\b\d{6}\b", mail)
    assert found, mail
    return found[0]


def enrol(page: Page, account: Account) -> None:
    """Set up an authenticator app from the key that is shown."""
    expect(page.get_by_role("heading", name="Set up a second factor")).to_be_visible()
    account.secret = page.locator("#secret").inner_text()
    page.get_by_label("Six-digit code").fill(app_code(account.secret))
    press(page, "Continue")


def answer_challenge(page: Page, account: Account) -> None:
    """Give the code that the authenticator app shows."""
    page.get_by_label("Six-digit code").fill(app_code(account.secret))
    press(page, "Sign in")


def app_code(secret: str) -> str:
    """What an authenticator app shows now (RFC 6238)."""
    mac = hmac.digest(base64.b32decode(secret), struct.pack(">Q", int(time.time() // _STEP)), "sha1")
    offset = mac[-1] & 0x0F
    (number,) = struct.unpack(">I", mac[offset : offset + 4])
    return f"{(number & 0x7FFFFFFF) % 10**6:06d}"


def expect_hello(page: Page, account: Account) -> None:
    """The client knows who it is."""
    expect(page.get_by_role("heading", name=f"Hello, {account.username}")).to_be_visible()


def add_data(page: Page, name: str, text: str) -> None:
    """Fill and send the form that stores something on the MCP server."""
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Text", exact=True).fill(text)
    press(page, "Add data")


def expect_data(page: Page) -> None:
    """Data of the MCP server is on the page."""
    expect(page.get_by_role("heading", name="Your data on the MCP server")).to_be_visible()


def granted(page: Page) -> set[str]:
    """The scopes that the MCP server saw in the token."""
    return set(page.locator(".kv .badge").all_inner_texts())
