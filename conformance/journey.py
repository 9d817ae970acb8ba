"""A person's way through the pages of an authorization server, as the checks look at it.

The first login types a password; the browser stays open, so that later ones find the session and only need a click.
"""

import time
import urllib.request
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from conformance.check import Blocked
from conformance.gate import Gate
from mcp_demo.client.browser import limited, origin_of, settle, shown_origin, trusted_origins, withheld_at
from mcp_demo.exchange.model import Exchange
from mcp_demo.oauth.resource import is_loopback_host

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright

APPROVE = ("Allow", "Allow Access", "Approve", "Authorize", "Accept", "Continue")
DENY = ("Do not allow", "Deny", "Cancel", "Reject")
_SLOW, _SHORT = 20.0, 1.0
_GRACE = 15.0  # seconds beyond its limit that a journey gets before its browser is ended
_SCRIPTS_GRACE = 300.0  # a script may wait for somebody's second factor
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",  # else a page's WebRTC goes past the gate
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",  # its older name
)


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
        last: The page where it ended, if it did not come back.
        exchange: The whole way as one exchange.
        stranger: The origin of the page at which nobody was signed in, since it is not one to be trusted.
    """

    returned: str | None
    hops: tuple[str, ...] = ()
    stops: tuple[Stop, ...] = ()
    end: str = ""
    last: Stop | None = None
    exchange: Exchange | None = None
    stranger: str = ""


class BrowserTraveller:
    """A headless Chromium that types credentials, once, and presses buttons.

    Its pages lead it no further inside than the target stands (`conformance.gate`). Where the environment asks for a
    proxy, it is the proxy that has to be careful.

    Args:
        username: The account.
        password: Its password.
        target: The MCP endpoint of the server whose pages these are.
        executable: Finds the Chromium to use; None lets Playwright choose its own.
        timeout: Seconds for one journey.
        script: Signs in on a page instead, for pages that are not Cognito's; consent pages are still answered here.
        origins: Where else than at the authorization endpoint's own origin somebody may be signed in, such as the
            user pool's domain behind a bridge. A target names its endpoints itself, so nobody is signed in elsewhere.
    """

    def __init__(
        self,
        username: str,
        password: str,
        *,
        target: str,
        executable: Callable[[], Path | None] = lambda: None,
        timeout: float = 30.0,
        script: "Callable[[Page], object] | None" = None,
        origins: Collection[str] = (),
    ) -> None:
        self._username, self._password, self._script = username, password, script
        self._origins = trusted_origins(origins)
        self._executable, self._timeout, self._target = executable, timeout, target
        self._running: tuple[Playwright, BrowserContext] | None = None
        self._gate: Gate | None = None

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
        """Go from the authorization URL to the redirect URI, or as far as the pages lead.

        Raises:
            Blocked: They keep the browser from answering, or the script fails.
        """
        from playwright.sync_api import Error

        context = self._context()
        refused = self._gate.refused if self._gate else []
        refused.clear()
        grace = _GRACE if self._script is None else _SCRIPTS_GRACE
        origins = {*self._origins, *trusted_origins([url])}
        type_in = self._script or _type_in(self._username, self._password)
        try:
            with limited(cast("Browser", context.browser), self._timeout + grace), context.new_page() as page:
                walk = _Walk(page, redirect_uri, type_in, approve, origins, anywhere=self._script is not None)
                journey = walk.go(url, self._timeout)
        except Error as error:
            self.close()
            raise Blocked(f"The browser could not follow the pages: {error.message.splitlines()[0]}") from None
        if refused and journey.last and journey.last.url.startswith("chrome-error:"):
            return replace(journey, end=f"The pages were not followed: {refused[-1]}.")
        return journey

    def close(self) -> None:
        """End the browser."""
        if self._running is not None:
            playwright, context = self._running
            self._running = None
            with suppress(Exception):
                context.browser.close() if context.browser else context.close()
            playwright.stop()
        if self._gate is not None:
            self._gate.close()
            self._gate = None

    def _context(self) -> "BrowserContext":
        if self._running is None:
            from playwright.sync_api import sync_playwright

            playwright = sync_playwright().start()
            self._gate = None if _is_proxied(self._target) else Gate(self._target)
            browser = playwright.chromium.launch(
                executable_path=self._executable(),
                args=_ARGUMENTS,
                proxy={"server": self._gate.url} if self._gate else None,
            )
            self._running = (playwright, browser.new_context())
        return self._running[1]


def _is_proxied(target: str) -> bool:
    """Whether the environment asks for a proxy on the way to this target, as `Session` decides it."""
    return bool(urllib.request.getproxies()) and not is_loopback_host(urlsplit(target).hostname)


def _type_in(username: str, password: str) -> "Callable[[Page], object]":
    """Types the credentials into a page like Cognito's."""

    def type_in(page: "Page") -> None:
        name = page.locator('input[name="username"]:visible, input[autocomplete="username"]:visible')
        if name.count() and not name.first.input_value():
            name.first.fill(username)
        field = page.locator('input[type="password"]:visible').first
        field.fill(password)
        field.press("Enter", no_wait_after=True)

    return type_in


class _Walk:
    """One journey in one tab.

    Args:
        page: The tab.
        redirect_uri: Where it ends.
        type_in: Signs in on the page that asks for it.
        approve: Whether to agree.
        origins: Where somebody may be signed in.
        anywhere: Whether every page that asks no consent is one to sign in at; else those with a password field are.
    """

    def __init__(
        self,
        page: "Page",
        redirect_uri: str,
        type_in: "Callable[[Page], object]",
        approve: bool,
        origins: Collection[str],
        *,
        anywhere: bool,
    ) -> None:
        self._page, self._target = page, redirect_uri.partition("?")[0]
        self._type_in, self._names = type_in, APPROVE if approve else DENY
        self._origins, self._anywhere = frozenset(origins), anywhere
        self._stranger = ""
        self._hops: list[str] = []
        self._stops: list[Stop] = []
        self._end = 0.0
        self._typed = False

    def go(self, url: str, timeout: float) -> Journey:
        self._end = deadline = time.monotonic() + timeout
        self._page.on(
            "request", lambda request: self._hops.append(request.url) if request.is_navigation_request() else None
        )
        self._quietly(lambda: self._page.evaluate("url => location.assign(url)", url))
        idle = time.monotonic() + 2.0
        while self._returned() is None and time.monotonic() < min(deadline, idle):
            if self._step():
                idle = time.monotonic() + 2.0
            else:
                self._page.wait_for_timeout(40)
        end = f"The pages lead no further than {self._page.url.partition('?')[0]} ({self._page.title()!r})."
        if self._stranger:
            end = withheld_at(self._stranger)
            if origin_of(self._stranger):
                end = f"{end} If that is where the password belongs: --sign-in-at {self._stranger}"
        last = self._here() if self._returned() is None else None
        stranger = self._stranger if last else ""
        return Journey(self._returned(), tuple(self._hops), tuple(self._stops), end, last, stranger=stranger)

    def _returned(self) -> str | None:
        return next((url for url in self._hops if url.partition("?")[0] == self._target), None)

    def _step(self) -> bool:
        if self._page.locator('input[type="password"]:visible').count():
            return self._sign_in()
        for name in self._names:
            button = self._page.get_by_role("button", name=name, exact=True)
            if button.count():
                self._note()
                self._quietly(partial(button.first.click, no_wait_after=True))
                return True
        return self._anywhere and self._sign_in()

    def _sign_in(self) -> bool:
        if self._typed:
            return False
        if origin_of(self._page.url) not in self._origins:
            self._stranger = shown_origin(self._page.url)
            return False
        self._typed = True
        self._note()
        self._quietly(lambda: self._type_in(self._page))
        return True

    def _note(self) -> None:
        self._stops.append(self._here())

    def _here(self) -> Stop:
        return Stop(self._page.url, self._page.inner_text("body"), self._page.content())

    def _quietly(self, act: Callable[[], object]) -> None:
        """Do something that may end at the redirect URI, where nobody listens, in the browser's own error page."""
        from playwright.sync_api import Error

        try:
            settle(
                self._page,
                act,
                lambda: self._returned() is not None,
                seconds=max(_SHORT, min(_SLOW, self._end - time.monotonic())),
            )
        except Error:
            pass
        except Exception as error:  # of somebody's script
            self._page.close()
            raise Blocked(f"The sign-in script failed: {type(error).__name__}: {error}.") from error
