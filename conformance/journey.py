"""One way through the pages of an authorization server, in one tab, as the checks look at it."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from conformance.check import Blocked
from mcp_demo.client.browser import origin_of, settle, shown_origin, withheld_at
from mcp_demo.exchange.model import Exchange

if TYPE_CHECKING:
    from playwright.sync_api import Page

APPROVE = ("Allow", "Allow Access", "Approve", "Authorize", "Accept", "Continue")
DENY = ("Do not allow", "Deny", "Cancel", "Reject")
_SLOW, _SHORT = 20.0, 1.0


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


class Walk:
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
        """Go as far as the pages lead, for so many seconds at most.

        Raises:
            Blocked: The script that signs in fails.
        """
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
