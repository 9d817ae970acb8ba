"""The account pages over a real MiniStack: sign-up, recovery, forced password, second factor, limits on guessing."""

import re
import secrets
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from domain_harness import (
    CALLBACK,
    PASSWORD,
    Browser,
    Clock,
    Harness,
    answer,
    make_client,
    make_harness,
    now_totp,
    running_harness,
)
from fastapi import FastAPI

from mcp_demo.errors import SetupError
from mcp_demo.local.domain.mailbox import read_mail
from mcp_demo.local.ministack import free_port

NEW_PASSWORD = "Battery-staple-8"
POOL: dict[str, Any] = {"AutoVerifiedAttributes": ["email"], "AliasAttributes": ["email"]}


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Generator[Harness]:
    with running_harness(tmp_path_factory.mktemp("aws"), **POOL) as made:
        made.api.set_user_pool_mfa_config(
            UserPoolId=made.settings.user_pool_id,
            SoftwareTokenMfaConfiguration={"Enabled": True},
            MfaConfiguration="OPTIONAL",
        )
        yield made


@pytest.fixture(scope="module")
def app(harness: Harness) -> FastAPI:
    return harness.app()


@pytest.fixture
def browser(app: FastAPI, harness: Harness) -> Browser:
    return Browser(app, harness.public)


async def open_page(browser: Browser, path: str) -> httpx.Response:
    """A page with the query of a good authorization request."""
    query = (await browser.authorize(prompt="login")).headers["location"].partition("?")[2]
    return await browser.get(f"{path}?{query}")


async def sign_up(browser: Browser, name: str | None = None, **fields: str) -> str:
    name = name or f"ada-{secrets.token_hex(4)}"
    await open_page(browser, "/signup")
    given = {"username": name, "email": f"{name}@example.com", "password": PASSWORD, "repeated": PASSWORD}
    await browser.submit(**{**given, **fields})
    return name


def newest_code(harness: Harness, name: str) -> str:
    code = read_mail(harness.settings.aws_endpoint, to=f"{name}@example.com")[0].code
    assert code
    return code


def attributes(harness: Harness, name: str) -> dict[str, str]:
    found = harness.api.admin_get_user(UserPoolId=harness.settings.user_pool_id, Username=name)["UserAttributes"]
    return {item["Name"]: item.get("Value", "") for item in found}


def text_of(browser: Browser) -> str:
    assert browser.page is not None
    return browser.page.text


# ── signing up ───────────────────────────────────────────────────────────────


async def test_a_new_account_is_made_confirmed_by_mail_and_signed_in(harness: Harness, browser: Browser) -> None:
    name = await sign_up(browser)
    assert "local mailbox" in text_of(browser)
    response = await browser.submit(code=newest_code(harness, name))
    assert "code" in answer(response)
    assert attributes(harness, name)["email_verified"] == "true"
    again = Browser(harness.app(), harness.public)
    assert "code" in answer(await again.sign_in(f"{name}@example.com"))  # the address is an alias now


async def test_a_wrong_code_is_told_and_a_code_can_be_sent_again(harness: Harness, browser: Browser) -> None:
    name = await sign_up(browser)
    await browser.submit(code="000000")
    assert "not the one that was sent" in text_of(browser)
    mails = len(read_mail(harness.settings.aws_endpoint, to=f"{name}@example.com"))
    assert browser.page is not None
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', browser.page.text))
    action = re.search(r'formaction="([^"]+)"', browser.page.text)
    assert action
    browser.page = await browser.http.post(action[1].replace("&amp;", "&"), data=hidden)
    assert len(read_mail(harness.settings.aws_endpoint, to=f"{name}@example.com")) == mails + 1
    assert "code" in answer(await browser.submit(code=newest_code(harness, name)))


async def test_signing_in_before_confirming_leads_to_the_confirmation_and_then_to_the_password(
    harness: Harness, browser: Browser
) -> None:
    name = await sign_up(browser)
    other = Browser(harness.app(), harness.public)
    await other.sign_in(name)
    assert "not confirmed yet" in text_of(other)
    response = await other.submit(code=newest_code(harness, name))
    assert response.status_code == 200  # not signed in: this browser never showed the password
    assert "code" in answer(await other.sign_in(name))


async def test_a_restart_in_the_middle_of_a_sign_up_does_not_matter(harness: Harness, tmp_path: Path) -> None:
    before = Browser(harness.app(state_dir=tmp_path), harness.public)
    name = await sign_up(before)
    after = Browser(harness.app(state_dir=tmp_path), harness.public)
    after.http.cookies, after.page = before.http.cookies, before.page
    code = answer(await after.submit(code=newest_code(harness, name)))["code"]
    again = Browser(harness.app(state_dir=tmp_path), harness.public)
    assert (await again.exchange(code)).status_code == 200


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"repeated": "Another-one-9"}, "not the same"),
        ({"password": "short", "repeated": "short"}, "Password did not conform"),
        ({"email": "no-address"}, "email address"),
    ],
)
async def test_what_is_wrong_with_a_sign_up_is_told(browser: Browser, fields: dict[str, str], told: str) -> None:
    await sign_up(browser, **fields)
    assert told in text_of(browser)
    assert browser.page and browser.page.status_code == 400


async def test_a_taken_username_is_told(harness: Harness, browser: Browser) -> None:
    await sign_up(browser, harness.add_user())
    assert "taken" in text_of(browser)


async def test_an_address_that_another_account_has_verified_cannot_be_confirmed(
    harness: Harness, browser: Browser
) -> None:
    owner = harness.add_user()
    name = await sign_up(browser, email=f"{owner}@example.com")
    await browser.submit(code=newest_code(harness, owner))
    assert "account with this email address already" in text_of(browser)
    assert attributes(harness, name).get("email_verified") != "true"


async def test_markup_in_a_sign_up_stays_text(browser: Browser) -> None:
    await sign_up(browser, '"><script>alert(1)</script>', email="no-address")
    assert "<script>" not in text_of(browser)


async def test_a_client_with_a_secret_signs_people_up_too(app: FastAPI, harness: Harness) -> None:
    browser = Browser(app, harness.confidential)
    name = await sign_up(browser)
    assert "code" in answer(await browser.submit(code=newest_code(harness, name)))


async def test_a_pool_without_self_sign_up_says_so(harness: Harness) -> None:
    closed = make_harness(harness.ministack, AdminCreateUserConfig={"AllowAdminCreateUserOnly": True})
    browser = Browser(closed.app(), closed.public)
    assert "Create an account" not in (await open_page(browser, "/login")).text
    response = await open_page(browser, "/signup")
    assert response.status_code == 400
    assert "by themselves" in response.text


async def test_the_mailbox_shows_mail_and_says_that_it_is_local(harness: Harness, browser: Browser) -> None:
    name = await sign_up(browser)
    response = await browser.get("/mailbox")
    assert f"{name}@example.com" in response.text
    assert newest_code(harness, name) in response.text
    assert "Local stand-in" in response.text


def test_reading_mail_of_an_aws_that_is_not_there_names_the_cure() -> None:
    with pytest.raises(SetupError, match="mcp-demo up"):
        read_mail(f"http://127.0.0.1:{free_port()}")


# ── recovering ───────────────────────────────────────────────────────────────


async def test_a_forgotten_password_is_replaced_by_a_mailed_code(harness: Harness, browser: Browser) -> None:
    name = harness.add_user()
    await open_page(browser, "/forgotPassword")
    await browser.submit(username=name)
    await browser.submit(code="000000", password=NEW_PASSWORD, repeated=NEW_PASSWORD)
    assert "not the one that was sent" in text_of(browser)
    response = await browser.submit(code=newest_code(harness, name), password=NEW_PASSWORD, repeated=NEW_PASSWORD)
    assert response.status_code == 200
    assert "wrong" in (await browser.sign_in(name)).text
    assert "code" in answer(await browser.sign_in(name, NEW_PASSWORD))


async def test_recovery_does_not_show_whether_an_account_exists(harness: Harness, browser: Browser) -> None:
    unverified = harness.add_user(email_verified="false")
    texts: set[str] = set()
    for name in (harness.add_user(), unverified, "nobody-of-that-name"):
        await open_page(browser, "/forgotPassword")
        page = await browser.submit(username=name)
        wrong = await browser.submit(code="000000", password=NEW_PASSWORD, repeated=NEW_PASSWORD)
        texts.add(
            f"{page.status_code} {wrong.status_code} "
            + "".join(re.findall(r'<p class="notice[^>]*>.*?</p>', page.text))
        )
    assert len(texts) == 1
    assert read_mail(harness.settings.aws_endpoint, to=f"{unverified}@example.com") == []


# ── a temporary password, and the second factor ──────────────────────────────


async def test_a_temporary_password_must_be_replaced(harness: Harness, browser: Browser) -> None:
    name = harness.add_user(confirmed=False)
    page = await browser.sign_in(name)
    assert "temporary" in page.text
    await browser.submit(password="short", repeated="short")
    assert "Password did not conform" in text_of(browser)
    assert "code" in answer(await browser.submit(password=NEW_PASSWORD, repeated=NEW_PASSWORD))
    assert "code" in answer(await browser.sign_in(name, NEW_PASSWORD, prompt="login"))


async def enrol(browser: Browser) -> str:
    """Set up an authenticator app in a browser that is signed in; returns its secret."""
    page = await open_page(browser, "/mfa/setup")
    assert 'src="data:image/svg+xml' in page.text
    found = re.search(r'<code id="secret">([A-Z2-7]+)</code>', page.text)
    assert found
    await browser.submit(code="000000")
    assert "does not fit" in text_of(browser)
    assert found[1] in text_of(browser)  # the same secret is still shown
    assert "code" in answer(await browser.submit(code=now_totp(found[1])))
    return found[1]


async def test_an_enrolled_authenticator_app_is_asked_for_and_its_codes_work_once(
    harness: Harness, browser: Browser
) -> None:
    name = harness.add_user()
    await browser.sign_in(name)
    secret = await enrol(browser)
    page = await browser.sign_in(name, prompt="login")
    assert "authenticator app" in page.text
    await browser.submit(code="000000")
    assert browser.page and browser.page.status_code == 400
    code = now_totp(secret, 1)
    assert "code" in answer(await browser.submit(code=code))
    await browser.sign_in(name, prompt="login")
    await browser.submit(code=code)
    assert "used already" in text_of(browser)


async def test_a_second_factor_is_not_skipped_by_a_page_of_another_browser(harness: Harness, browser: Browser) -> None:
    name = harness.add_user()
    await browser.sign_in(name)
    secret = await enrol(browser)
    await browser.sign_in(name, prompt="login")
    thief = Browser(harness.app(), harness.public)
    await open_page(thief, "/login")
    assert thief.page is not None and browser.page is not None
    csrf = re.search(r'name="csrf" value="([^"]+)"', thief.page.text)
    step = re.search(r'name="step" value="([^"]+)"', browser.page.text)
    action = re.search(r'action="([^"]+)"', browser.page.text)
    assert csrf and step and action
    response = await thief.http.post(
        action[1].replace("&amp;", "&"), data={"csrf": csrf[1], "step": step[1], "code": now_totp(secret, 1)}
    )
    assert (response.status_code, "location" in response.headers) == (400, False)


async def test_where_the_pool_requires_it_a_second_factor_is_set_up_at_sign_in(harness: Harness) -> None:
    strict = make_harness(harness.ministack, MfaConfiguration="ON")
    browser = Browser(strict.app(), strict.public)
    name = strict.add_user()
    page = await browser.sign_in(name)
    found = re.search(r'<code id="secret">([A-Z2-7]+)</code>', page.text)
    assert found
    assert (await browser.authorize()).headers["location"].startswith("/login?")  # not signed in yet
    browser.page = page
    assert "code" in answer(await browser.submit(code=now_totp(found[1])))


async def test_where_the_pool_allows_it_a_second_factor_is_set_up_by_choice_at_sign_up(
    harness: Harness, browser: Browser
) -> None:
    name = await sign_up(browser, enrol="yes")
    page = await browser.submit(code=newest_code(harness, name))
    found = re.search(r'<code id="secret">([A-Z2-7]+)</code>', page.text)
    assert found
    assert "code" in answer(await browser.submit(code=now_totp(found[1])))
    assert "authenticator app" in (await browser.sign_in(name, prompt="login")).text


async def test_nothing_is_set_up_where_nobody_is_signed_in(browser: Browser) -> None:
    response = await open_page(browser, "/mfa/setup")
    assert response.headers["location"].startswith("/login?")


# ── limits on guessing ───────────────────────────────────────────────────────


@pytest.mark.parametrize("known", [True, False])
async def test_five_wrong_passwords_lock_a_name_known_or_not_for_longer_and_longer(
    harness: Harness, known: bool
) -> None:
    clock = Clock()
    browser = Browser(harness.app(clock), harness.public)
    name = harness.add_user() if known else "nobody-of-that-name"
    await open_page(browser, "/login")
    for _ in range(5):
        assert "is wrong" in (await browser.submit(username=name, password="Wrong-horse-7")).text
    for wait in (1, 2, 4):
        assert "Too many attempts" in (await browser.submit(username=name.upper(), password=PASSWORD)).text
        clock.now += wait
        assert "is wrong" in (await browser.submit(username=name, password="Wrong-horse-7")).text
    clock.now += 15 * 60 + 1
    if known:
        assert "code" in answer(await browser.submit(username=name, password=PASSWORD))


async def test_the_limit_is_one_for_all_names_of_an_account(harness: Harness) -> None:
    browser = Browser(harness.app(Clock()), harness.public)
    name = harness.add_user()
    await open_page(browser, "/login")
    for typed in (name, f"{name}@example.com", attributes(harness, name)["sub"], name, f"{name}@example.com"):
        assert "is wrong" in (await browser.submit(username=typed, password="Wrong-horse-7")).text
    assert "Too many attempts" in (await browser.submit(username=f"{name}@example.com", password=PASSWORD)).text


async def test_names_in_any_case_sign_in_where_the_pool_says_so(harness: Harness) -> None:
    loose = make_harness(harness.ministack, UsernameConfiguration={"CaseSensitive": False})
    name = loose.add_user()
    assert "code" in answer(await Browser(loose.app(), loose.public).sign_in(name.upper()))


@pytest.mark.parametrize("value", ["", " ", "1", "12345", "1234567", "x" * 3000, "\x00", "é", "' OR 1=1 --", "{}"])
async def test_no_form_fails_on_odd_input(harness: Harness, value: str) -> None:
    browser = Browser(harness.app(Clock()), harness.public)
    for path, fields in (
        ("/login", ("username", "password")),
        ("/signup", ("username", "email", "password", "repeated")),
        ("/forgotPassword", ("username",)),
    ):
        await open_page(browser, path)
        response = await browser.submit(**dict.fromkeys(fields, value))
        assert response.status_code in (200, 400), path
    await sign_up(browser)
    assert (await browser.submit(code=value)).status_code == 400
    await open_page(browser, "/forgotPassword")
    await browser.submit(username=harness.add_user())
    assert (await browser.submit(code=value, password=NEW_PASSWORD, repeated=NEW_PASSWORD)).status_code == 400
    await browser.sign_in(harness.add_user())
    await open_page(browser, "/mfa/setup")
    assert (await browser.submit(code=value)).status_code == 400


async def test_a_pool_that_has_stopped_is_told_in_plain_words(harness: Harness) -> None:
    app = harness.app(aws_endpoint=f"http://127.0.0.1:{free_port()}")
    browser = Browser(app, harness.public)
    assert "does not answer" in (await browser.authorize()).text
    assert (await browser.token(grant_type="refresh_token", refresh_token="x")).json() == {"error": "server_error"}


async def test_confirmation_codes_cannot_be_guessed_at_will(harness: Harness) -> None:
    browser = Browser(harness.app(Clock()), harness.public)
    name = await sign_up(browser)
    for guess in range(5):
        await browser.submit(code=f"{guess:06d}")
    await browser.submit(code=newest_code(harness, name))
    assert "Too many attempts" in text_of(browser)


async def test_no_page_sends_anybody_to_an_address_that_is_not_registered(harness: Harness, browser: Browser) -> None:
    bad = f"client_id={browser.client_id}&response_type=code&redirect_uri=https%3A%2F%2Fevil.example"
    for path in ("/signup", "/forgotPassword", "/login", "/mfa/setup"):
        response = await browser.get(f"{path}?{bad}")
        assert (response.status_code, "location" in response.headers) == (400, False)
    await open_page(browser, "/login")
    for path in ("/login", "/signup", "/confirmUser", "/resendcode", "/forgotPassword", "/confirmForgotPassword"):
        response = await browser.http.post(f"{path}?{bad}", data={"csrf": "x", "step": "x"})
        assert (response.status_code, "location" in response.headers) == (400, False)


async def test_forms_without_the_browsers_secret_do_nothing(harness: Harness, browser: Browser) -> None:
    await open_page(browser, "/login")
    query = f"client_id={browser.client_id}&response_type=code&redirect_uri={CALLBACK}"
    fields = {"username": "x", "password": PASSWORD, "repeated": PASSWORD, "email": "x@example.com", "code": "123456"}
    paths = ("/login", "/signup", "/confirmUser", "/resendcode", "/forgotPassword", "/confirmForgotPassword")
    for path in (*paths, "/changePassword", "/mfa", "/mfa/setup"):
        response = await browser.http.post(f"{path}?{query}", data={**fields, "csrf": "forged"})
        assert response.status_code == 400, path
        assert "not opened in this browser" in response.text


async def test_the_clients_own_flows_do_not_matter_to_the_pages(harness: Harness) -> None:
    client_id, _ = make_client(
        harness.api, harness.settings.user_pool_id, ExplicitAuthFlows=["ALLOW_REFRESH_TOKEN_AUTH"]
    )
    assert "code" in answer(await Browser(harness.app(), client_id).sign_in(harness.add_user()))


@pytest.mark.parametrize(("site", "status"), [("same-site", 400), ("cross-site", 400), ("same-origin", 302)])
async def test_a_page_that_planted_the_form_cookie_still_cannot_sign_anybody_in(
    harness: Harness, browser: Browser, site: str, status: int
) -> None:
    """Pages on other ports of localhost can set cookies here (RFC 6265 §8.5), so the token alone proves little."""
    name = harness.add_user()
    await browser.authorize()
    await browser.follow()
    browser.http.headers["sec-fetch-site"] = site
    assert (await browser.submit(username=name, password=PASSWORD)).status_code == status
