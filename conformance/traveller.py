"""The browser of a person on the way through the pages of an authorization server.

The first login types a password; the browser stays open, so that later ones find the session and only need a click.
"""

import urllib.request
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from conformance.check import Blocked
from conformance.gate import Gate
from conformance.journey import Journey, Walk
from mcp_demo.client.browser import limited, trusted_origins
from mcp_demo.oauth.resource import is_loopback_host

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright

_GRACE = 15.0  # seconds beyond its limit that a journey gets before its browser is ended
_SCRIPTS_GRACE = 300.0  # a script may wait for somebody's second factor
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",  # else a page's WebRTC goes past the gate
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",  # its older name
)


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
                walk = Walk(page, redirect_uri, type_in, approve, origins, anywhere=self._script is not None)
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
