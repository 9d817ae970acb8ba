"""Signing in with a real browser and given credentials, nobody watching: for tests, notebooks and `--headless`.

It finds its way by labels and roles, as a person does, so it works on the user-pool domain's pages, on those of the
embedded AWS, and on the bridge's consent page.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Error, Page, Request, sync_playwright

from mcp_demo.client.errors import SignInFailed

_USERNAME = 'input[name="username"]:visible, input[autocomplete="username"]:visible'
_PASSWORD = 'input[type="password"]:visible'  # noqa: S105 - a selector
_APPROVE, _DENY = ("Allow", "Approve", "Authorize"), ("Do not allow", "Deny", "Cancel")
_IDLE = 5.0  # seconds on a page that offers nothing to do, such as an error page
_ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage"]


class HeadlessBrowser:
    """A way to sign in: a headless Chromium that types the credentials and approves.

    Args:
        username: The account.
        password: Its password.
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
        executable: str | Path | None = None,
        approve: bool = True,
        on_page: Callable[[Page], None] | None = None,
        timeout: float = 45.0,
    ) -> None:
        self._username, self._password, self._approve = username, password, approve
        self._executable, self._on_page, self._timeout = executable, on_page, timeout

    def __call__(self, url: str, redirect_uri: str) -> str:
        """Sign in; nothing has to listen at the redirect URI.

        Raises:
            SignInFailed: The credentials were refused, or the pages lead nowhere.
        """
        with sync_playwright() as playwright:
            executable = str(self._executable) if self._executable else None
            browser = playwright.chromium.launch(executable_path=executable, args=_ARGUMENTS)
            try:
                return self._sign_in(browser.new_page(), url, redirect_uri)
            except Error as error:
                raise SignInFailed(f"The browser could not finish: {error.message.splitlines()[0]}") from None
            finally:
                browser.close()

    def _sign_in(self, page: Page, url: str, redirect_uri: str) -> str:
        returned: list[str] = []

        def watch(request: Request) -> None:
            if request.is_navigation_request() and request.url.partition("?")[0] == redirect_uri.partition("?")[0]:
                returned.append(request.url)

        page.on("request", watch)
        self._quietly(lambda: page.goto(url))
        deadline, typed = time.monotonic() + self._timeout, False
        idle = time.monotonic() + _IDLE
        while not returned and time.monotonic() < min(deadline, idle):
            if self._on_page:
                self._on_page(page)
            if page.locator(_PASSWORD).count():
                if typed:
                    raise SignInFailed("The sign-in page refused these credentials.")
                typed = True
                self._quietly(lambda: self._type(page))
                idle = time.monotonic() + _IDLE
            elif self._decide(page):
                idle = time.monotonic() + _IDLE
            else:
                page.wait_for_timeout(50)
        if not returned:
            raise SignInFailed(f"The sign-in stopped at a page called {page.title()!r}.")
        return returned[0]

    def _type(self, page: Page) -> None:
        field = page.locator(_USERNAME)
        if field.count() and not field.first.input_value():
            field.first.fill(self._username)
        page.locator(_PASSWORD).first.fill(self._password)
        with page.expect_navigation(wait_until="load"):
            page.locator(_PASSWORD).first.press("Enter")

    def _decide(self, page: Page) -> bool:
        names = _APPROVE if self._approve else _DENY
        for name in names:
            button = page.get_by_role("button", name=name, exact=True)
            if button.count():
                with suppress(Error), page.expect_navigation(wait_until="load"):
                    button.first.click()
                return True
        return False

    def _quietly(self, navigate: Callable[[], object]) -> None:
        # Nobody may be listening at the redirect URI, so the last navigation may end in an error page.
        with suppress(Error):
            navigate()
