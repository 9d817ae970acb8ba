"""The sign-in pages in a real browser: what a person does from a new account to a second factor."""

import base64
import hmac
import re
import socket
import struct
import threading
import time
from collections.abc import Generator
from urllib.parse import urlencode

import pytest
import uvicorn
from domain_harness import PASSWORD, READ, RESOURCE, make_client, running_harness
from playwright.sync_api import Browser, Page, expect


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The address that an app sends the browser to; it comes back to the domain's own health page."""
    pool = {"AutoVerifiedAttributes": ["email"], "AliasAttributes": ["email"], "MfaConfiguration": "ON"}
    with running_harness(tmp_path_factory.mktemp("aws"), **pool) as harness, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://localhost:{listener.getsockname()[1]}"
        callback = f"{url}/health"
        client_id, _ = make_client(harness.api, harness.settings.user_pool_id, CallbackURLs=[callback])
        server = uvicorn.Server(uvicorn.Config(harness.app(domain=url), log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        request = {"client_id": client_id, "redirect_uri": callback, "response_type": "code", "state": "s"}
        yield f"{url}/oauth2/authorize?{urlencode({**request, 'scope': READ, 'resource': RESOURCE})}"
        server.should_exit = True
        thread.join()


@pytest.fixture
def page(browser: Browser) -> Generator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def totp(secret: str, steps: int = 0) -> str:
    mac = hmac.digest(base64.b32decode(secret), struct.pack(">Q", int(time.time() // 30) + steps), "sha1")
    offset = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[offset : offset + 4])[0] & 0x7FFFFFFF) % 10**6:06d}"


def test_a_person_comes_from_a_new_account_to_a_second_factor_and_back_again(page: Page, start: str) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(start)
    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Email address").fill("ada@example.com")
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("New password again").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    page.get_by_role("button", name="Send the code again").click()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="local mailbox").click()
    mail = opened.value.get_by_role("article").filter(has_text="ada@example.com").first
    code = re.search(r"\b\d{6}\b", mail.inner_text())
    assert code
    page.get_by_label("Code from the email").fill(code[0])
    page.get_by_role("button", name="Confirm").click()
    picture = page.get_by_role("img", name="QR code")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
    secret = page.locator("#secret").inner_text()
    page.get_by_label("Six-digit code").fill(totp(secret))
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(re.compile(r"/health\?code=.+&state=s"))

    page.goto(f"{start}&prompt=login")
    page.get_by_label("Username").fill("ada@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_label("Six-digit code").fill(totp(secret, 1))
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/health\?code=.+&state=s"))
    assert not [text for text in complaints if "Content Security Policy" in text]


def test_the_page_is_fit_for_keyboard_and_screen_reader(page: Page, start: str) -> None:
    page.goto(start)
    expect(page.get_by_label("Username")).to_be_focused()
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("The username or the password is wrong.")
    expect(page.get_by_label("Password")).to_be_focused()
    expect(page.get_by_label("Username")).to_have_attribute("aria-describedby", "problem")
