"""Browsers that open one address, apart from any flow, and the pictures of what they saw."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from playwright.sync_api import sync_playwright

from mcp_demo.client.browser import HeadlessBrowser
from mcp_demo.lab.display import Picture
from mcp_demo.local.browser import require
from mcp_demo.local.state import Run

if TYPE_CHECKING:
    from playwright.sync_api import Page

T = TypeVar("T")

_NOWHERE = "http://localhost/nobody-comes-here"
_WIDTH, _HEIGHT, _SCALE = 640, 820, 0.7
_ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage"]


class _Enough(Exception):
    """The page that was waited for is there."""


def look(url: str, height: int = _HEIGHT) -> Picture:
    """The page at an address, as a person sees it first."""

    def open_it() -> Picture:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(require()), args=_ARGUMENTS)
            page = browser.new_page()
            page.goto(url)
            try:
                return picture(page, height)
            finally:
                browser.close()

    return _apart(open_it)


def follow(run: Run, link: str) -> list[Picture]:
    """Somebody else's link, followed by the user of a run, who signs in; all pages up to one without a way on."""
    seen: dict[str, Picture] = {}

    def on_page(page: "Page") -> None:
        page.wait_for_load_state()
        title = page.title()
        if title and title not in seen:
            seen[title] = picture(page, 440)
        if title and not page.locator("form").count():
            raise _Enough

    def sign_in() -> list[Picture]:
        try:
            HeadlessBrowser(
                run.user.username,
                run.user.password,
                origins=[run.domain],
                executable=require(),
                on_page=on_page,
            )(link, _NOWHERE)
        except _Enough:
            return list(seen.values())
        return list(seen.values())

    return _apart(sign_in)


def picture(page: "Page", height: int = _HEIGHT) -> Picture:
    """What a page shows, at the size that a notebook draws it: a larger one would only fill the repository.

    Args:
        page: The page; it is left a little smaller.
        height: How much of it, in its own pixels.
    """
    page.set_viewport_size({"width": round(_WIDTH * _SCALE), "height": round(height * _SCALE)})
    page.evaluate(f"document.documentElement.style.zoom = {_SCALE}")
    shot = page.screenshot(type="jpeg", quality=40)
    return Picture(shot, page.url.partition("?")[0], f"the page “{page.title()}”")


def _apart(task: Callable[[], T]) -> T:
    """Run in a thread: a notebook has an event loop, beside which this browser cannot run."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(task).result()
