"""Signing in with a real browser and given credentials, nobody watching: for tests, notebooks and `--headless`.

It finds its way by labels and roles, as a person does, so it works on the user-pool domain's pages, on those of the
embedded AWS, and on the bridge's consent page.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from mcp_demo.client.errors import PasswordWithheld, SignInFailed
from mcp_demo.oauth.resource import is_secure_url

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, Request

_USERNAME = 'input[name="username"]:visible, input[autocomplete="username"]:visible'
_PASSWORD = 'input[type="password"]:visible'  # noqa: S105 - a selector
_APPROVE, _DENY = ("Allow", "Approve", "Authorize"), ("Do not allow", "Deny", "Cancel")
_IDLE = 5.0  # seconds on a page that offers nothing to do, such as an error page
_SLOW = 30.0  # seconds that a page may take to come
_MOMENT = 1.0
_GRACE = 15.0  # seconds beyond its limit that a sign-in gets before its browser is ended
_POLL = 20.0  # milliseconds
_ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage"]


class HeadlessBrowser:
    """A way to sign in: a headless Chromium that types the credentials and approves.

    Servers say themselves where somebody is to sign in. So the password is typed at the authorization endpoint's own
    origin, and where the caller says, and nowhere else.

    Args:
        username: The account.
        password: Its password.
        origins: Where else it may be typed, such as the user pool's domain behind a bridge.
        executable: The Chromium to use; None lets Playwright choose its own.
        approve: Whether to approve at the consent page, or to deny.
        on_page: Is shown every page that it stops at, e.g. to take a screenshot.
        timeout: How many seconds the whole of it may take.
    """

    def __init__(
        self,
        username: str,
        password: str,
        *,
        origins: Collection[str] = (),
        executable: str | Path | None = None,
        approve: bool = True,
        on_page: "Callable[[Page], None] | None" = None,
        timeout: float = 45.0,
    ) -> None:
        self._username, self._password, self._approve = username, password, approve
        self._origins = trusted_origins(origins)
        self._executable, self._on_page, self._timeout = executable, on_page, timeout

    def __call__(self, url: str, redirect_uri: str) -> str:
        """Sign in; nothing has to listen at the redirect URI.

        Raises:
            SignInFailed: The credentials were refused, or the pages lead nowhere.
            PasswordWithheld: They lead to an origin at which the password may not be typed.
        """
        try:
            from playwright.sync_api import Error, sync_playwright
        except ModuleNotFoundError:
            raise SignInFailed("To sign in without anybody takes Playwright: pip install 'mcp-demo[local]'.") from None
        with sync_playwright() as playwright:
            executable = str(self._executable) if self._executable else None
            browser = playwright.chromium.launch(executable_path=executable, args=_ARGUMENTS)
            try:
                with limited(browser, self._timeout + _GRACE):
                    return self._sign_in(browser.new_page(), url, redirect_uri)
            except Error as error:
                raise SignInFailed(f"The browser could not finish: {error.message.splitlines()[0]}") from None
            finally:
                browser.close()

    def _sign_in(self, page: "Page", url: str, redirect_uri: str) -> str:
        from playwright.sync_api import Error

        returned: list[str] = []

        def watch(request: "Request") -> None:
            if request.is_navigation_request() and request.url.partition("?")[0] == redirect_uri.partition("?")[0]:
                returned.append(request.url)

        def navigate(act: Callable[[], object]) -> None:
            with suppress(Error):  # the last navigation may end in the browser's own error page
                settle(page, act, lambda: bool(returned))

        page.on("request", watch)
        navigate(lambda: page.evaluate("url => location.assign(url)", url))
        deadline, typed = time.monotonic() + self._timeout, False
        idle = time.monotonic() + _IDLE
        while not returned and time.monotonic() < min(deadline, idle):
            if self._on_page:
                self._on_page(page)
            if page.locator(_PASSWORD).count():
                if typed:
                    raise SignInFailed("The sign-in page refused these credentials.")
                typed = True
                self._check(page, url)
                navigate(lambda: self._type(page))
                idle = time.monotonic() + _IDLE
            elif (button := self._decision(page)) is not None:
                navigate(partial(button.click, no_wait_after=True))
                idle = time.monotonic() + _IDLE
            else:
                page.wait_for_timeout(50)
        if not returned:
            raise SignInFailed(f"The sign-in stopped at a page called {page.title()!r}.")
        return returned[0]

    def _check(self, page: "Page", url: str) -> None:
        if origin_of(page.url) not in {*self._origins, *trusted_origins([url])}:
            raise PasswordWithheld(withheld_at(shown_origin(page.url)))

    def _type(self, page: "Page") -> None:
        field = page.locator(_USERNAME)
        if field.count() and not field.first.input_value():
            field.first.fill(self._username)
        page.locator(_PASSWORD).first.fill(self._password)
        page.locator(_PASSWORD).first.press("Enter", no_wait_after=True)

    def _decision(self, page: "Page") -> "Locator | None":
        for name in _APPROVE if self._approve else _DENY:
            button = page.get_by_role("button", name=name, exact=True)
            if button.count():
                return button.first
        return None


def origin_of(url: str) -> str | None:
    """The origin of a page, if it is one at which a password may be typed: over TLS, or on this machine."""
    if not is_secure_url(url):
        return None
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}[parts.scheme]
    return f"{parts.scheme}://{parts.hostname}:{port}"


def trusted_origins(urls: Collection[str]) -> frozenset[str]:
    """The origins of these URLs, without those at which no password may be typed."""
    return frozenset(found for found in map(origin_of, urls) if found)


def shown_origin(url: str) -> str:
    """The origin of a page, to be read by people."""
    return "{0.scheme}://{0.netloc}".format(urlsplit(url))


def withheld_at(origin: str) -> str:
    """Why no password was typed at a page of this origin."""
    return f"Nobody was signed in at {origin}, which is not the authorization endpoint's own origin."


def settle(page: "Page", act: Callable[[], object], is_over: Callable[[], bool], *, seconds: float = _SLOW) -> None:
    """Do something that leads to another page, and wait until that is there, or all is over.

    A page that does not come in time is given up: else most of what is asked of the one before would wait for it. Over
    is the way to a redirect URI once the browser has been sent there. Who listens there gets a moment to answer,
    but need not.

    Raises:
        Error: It cannot be done.
    """
    ends: list[object] = []

    def loaded(page: "Page") -> None:
        ends.append(page)

    def failed(request: "Request") -> None:
        if request.is_navigation_request() and request.frame == page.main_frame:
            ends.append(request)

    page.on("load", loaded)
    page.on("requestfailed", failed)
    try:
        act()
        deadline = time.monotonic() + seconds
        over = False
        while not ends and time.monotonic() < deadline:
            if not over and is_over():
                over, deadline = True, min(deadline, time.monotonic() + _MOMENT)
            page.wait_for_timeout(_POLL)
    finally:
        if not ends:
            _stop_loading(page)
        page.remove_listener("load", loaded)
        page.remove_listener("requestfailed", failed)


def _stop_loading(page: "Page") -> None:
    session = page.context.new_cdp_session(page)
    session.send("Page.stopLoading")  # pyright: ignore[reportUnknownMemberType]
    session.detach()


@contextmanager
def limited(browser: "Browser", seconds: float) -> Generator[None]:
    """End a browser that is not done in time: a page whose script never ends would hold whoever looks at it for ever.

    Raises:
        Error: It was ended.
    """
    session = browser.new_browser_cdp_session()
    told = cast("dict[str, list[dict[str, Any]]]", session.send("SystemInfo.getProcessInfo"))  # pyright: ignore[reportUnknownMemberType]
    session.detach()
    number: int = next(process["id"] for process in told["processInfo"] if process["type"] == "browser")
    timer = threading.Timer(seconds, os.kill, (number, signal.SIGKILL))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
