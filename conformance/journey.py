"""A person's way through the pages of an authorization server, as the checks look at it.

The first login types a password; the browser stays open, so that later ones find the session and only need a click.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from conformance.check import Blocked

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Playwright

APPROVE = ("Allow", "Approve", "Authorize", "Accept", "Continue")
DENY = ("Do not allow", "Deny", "Cancel", "Reject")


@dataclass(frozen=True, slots=True)
class Stop:
    """A page on the way: where it was, what a person reads there, its source."""

    url: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Journey:
    """What happened on the way.

    Args:
        returned: The redirect URI with its parameters; None if the way ended before.
        hops: The URL of every navigation.
        stops: The pages that asked something of the person.
        end: In plain words, where the way ended.
    """

    returned: str | None
    hops: tuple[str, ...] = ()
    stops: tuple[Stop, ...] = ()
    end: str = ""


class Traveller(Protocol):
    """A `SignIn` that can also say no, and tell what it has seen."""

    def travel(self, url: str, redirect_uri: str, *, approve: bool = True) -> Journey:
        """Go from the authorization URL to the redirect URI, or as far as the pages lead."""
        ...


class BrowserTraveller:
    """A headless Chromium that types credentials, once, and presses buttons.

    Args:
        username: The account.
        password: Its password.
        executable: Finds the Chromium to use; None lets Playwright choose its own.
        timeout: Seconds for one journey.
    """

    def __init__(
        self,
        username: str,
        password: str,
        *,
        executable: Callable[[], Path | None] = lambda: None,
        timeout: float = 30.0,
    ) -> None:
        self._username, self._password = username, password
        self._executable, self._timeout = executable, timeout
        self._running: tuple[Playwright, BrowserContext] | None = None

    def __call__(self, authorization_url: str, redirect_uri: str) -> str:
        """Sign in and agree.

        Raises:
            Blocked: The pages lead nowhere.
        """
        journey = self.travel(authorization_url, redirect_uri)
        if journey.returned is None:
            raise Blocked(journey.end)
        return journey.returned

    def travel(self, url: str, redirect_uri: str, *, approve: bool = True) -> Journey:
        """Go from the authorization URL to the redirect URI, or as far as the pages lead."""
        page = self._context().new_page()
        try:
            return _Walk(page, redirect_uri, (self._username, self._password), approve).go(url, self._timeout)
        finally:
            page.close()

    def close(self) -> None:
        """End the browser."""
        if self._running is not None:
            playwright, context = self._running
            self._running = None
            with suppress(Exception):
                context.browser.close() if context.browser else context.close()
            playwright.stop()

    def _context(self) -> "BrowserContext":
        if self._running is None:
            from playwright.sync_api import sync_playwright

            playwright = sync_playwright().start()
            arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
            browser = playwright.chromium.launch(executable_path=self._executable(), args=arguments)
            self._running = (playwright, browser.new_context())
        return self._running[1]


class _Walk:
    """One journey in one tab."""

    def __init__(self, page: "Page", redirect_uri: str, credentials: tuple[str, str], approve: bool) -> None:
        self._page, self._target = page, redirect_uri.partition("?")[0]
        self._credentials, self._names = credentials, APPROVE if approve else DENY
        self._hops: list[str] = []
        self._stops: list[Stop] = []
        self._typed = False

    def go(self, url: str, timeout: float) -> Journey:
        self._page.on(
            "request", lambda request: self._hops.append(request.url) if request.is_navigation_request() else None
        )
        self._quietly(lambda: self._page.goto(url))
        deadline = time.monotonic() + timeout
        idle = time.monotonic() + 2.0
        while self._returned() is None and time.monotonic() < min(deadline, idle):
            if self._step():
                idle = time.monotonic() + 2.0
            else:
                self._page.wait_for_timeout(40)
        end = f"The pages lead no further than {self._page.url.partition('?')[0]} ({self._page.title()!r})."
        return Journey(self._returned(), tuple(self._hops), tuple(self._stops), end)

    def _returned(self) -> str | None:
        return next((url for url in self._hops if url.partition("?")[0] == self._target), None)

    def _step(self) -> bool:
        password = self._page.locator('input[type="password"]:visible')
        if password.count():
            if self._typed:
                return False
            self._typed = True
            self._note()
            self._quietly(self._type)
            return True
        for name in self._names:
            button = self._page.get_by_role("button", name=name, exact=True)
            if button.count():
                self._note()
                self._quietly(lambda pressed=button: self._press(pressed.first.click))
                return True
        return False

    def _type(self) -> None:
        name = self._page.locator('input[name="username"]:visible, input[autocomplete="username"]:visible')
        if name.count() and not name.first.input_value():
            name.first.fill(self._credentials[0])
        password = self._page.locator('input[type="password"]:visible').first
        password.fill(self._credentials[1])
        self._press(lambda: password.press("Enter"))

    def _press(self, act: Callable[[], object]) -> None:
        with self._page.expect_navigation(wait_until="load", timeout=8000):
            act()

    def _note(self) -> None:
        self._stops.append(Stop(self._page.url, self._page.inner_text("body"), self._page.content()))

    @staticmethod
    def _quietly(act: Callable[[], object]) -> None:
        from playwright.sync_api import Error

        # Nobody listens at the redirect URI, so the last navigation ends in an error page.
        with suppress(Error):
            act()
