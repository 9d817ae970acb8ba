"""Browsers that sign in by themselves: who gets the password, and what if nobody answers at the redirect URI."""

import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from conformance.journey import BrowserTraveller, origin_of
from mcp_demo.client.browser import HeadlessBrowser
from mcp_demo.local.browser import find

_FORM = "<form method=post><input name=username><input type=password name=p><button>Go</button></form>"
_PAGE = f"<!doctype html><title>Sign in</title>{_FORM}".encode()


@pytest.fixture
def silent() -> Generator[str]:
    """The URL of a port that accepts, reads, and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=8) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/callback"


@contextmanager
def _site(back: str, *, elsewhere: str | None = None) -> Generator[tuple[str, list[str]]]:
    """A sign-in page that sends the browser `back`; or on to a page `elsewhere`."""
    typed: list[str] = []

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302 if elsewhere else 200)
            self.send_header("Location", elsewhere or "/")
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(_PAGE)

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            typed.extend(form["p"])
            self.send_response(303)
            self.send_header("Location", f"{back}?code=c")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", typed
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("way", ["client", "suite"])
def test_a_redirect_uri_that_never_answers_does_not_hold_the_browser(way: str, silent: str) -> None:
    kind = HeadlessBrowser if way == "client" else BrowserTraveller
    executable = find() if way == "client" else find
    with _site(silent) as (site, typed):
        browser = kind("demo", "secret", executable=executable)  # pyright: ignore[reportArgumentType]
        try:
            began = time.monotonic()
            assert browser(f"{site}/authorize", silent) == f"{silent}?code=c"
            assert time.monotonic() - began < 15
        finally:
            if isinstance(browser, BrowserTraveller):
                browser.close()
    assert typed == ["secret"]


@pytest.mark.parametrize("script", [False, True])
@pytest.mark.parametrize("named", [False, True])
def test_the_suite_signs_in_at_the_authorization_endpoint_and_where_it_was_told_to(
    *, script: bool, named: bool, silent: str
) -> None:
    def by_script(page: object) -> None:
        from playwright.sync_api import Page

        assert isinstance(page, Page)
        page.locator("input[type=password]").fill("secret")
        page.locator("input[type=password]").press("Enter", no_wait_after=True)

    with _site(silent) as (other, typed), _site(silent, elsewhere=other) as (site, _):
        origins = [f"{other}/some/path?x"] if named else [site.replace("127.0.0.1", "localhost")]
        browser = BrowserTraveller(
            "demo", "secret", executable=find, script=by_script if script else None, origins=origins
        )
        try:
            journey = browser.travel(f"{site}/authorize", silent)
        finally:
            browser.close()
    assert typed == (["secret"] if named else [])
    assert (journey.returned is not None) is named
    assert journey.stranger == ("" if named else other)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Pool.Example/login?x#y", "https://pool.example:443"),
        ("https://pool.example:8443", "https://pool.example:8443"),
        ("http://localhost:4567/login", "http://localhost:4567"),
        ("http://[::1]:4567/login", "http://::1:4567"),
        ("http://pool.example/login", None),
        ("https://pool.example@evil.example/", None),
        ("data:text/html,<input type=password>", None),
        ("about:blank", None),
        ("", None),
        ("https://", None),
    ],
)
def test_a_password_has_an_origin_over_tls_or_on_this_machine(url: str, origin: str | None) -> None:
    assert origin_of(url) == origin if urlsplit(url).scheme else origin_of(url) is None
