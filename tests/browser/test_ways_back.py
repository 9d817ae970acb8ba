"""Browsers that sign in by themselves: who gets the password, and what if nobody answers at the redirect URI."""

import select
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from conformance import reach
from conformance.check import Blocked
from conformance.reach import Zone
from conformance.traveller import BrowserTraveller
from mcp_demo.client.browser import HeadlessBrowser, origin_of
from mcp_demo.client.errors import PasswordWithheld, SignInFailed, explain
from mcp_demo.local.browser import find

_FORM = "<form method=post><input name=username><input type=password name=p><button>Go</button></form>"
_PAGE = f"<!doctype html><title>Sign in</title>{_FORM}".encode()


@pytest.fixture
def silent() -> Generator[str]:
    """The URL of a port that accepts, reads, and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=8) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/callback"


@contextmanager
def _site(back: str, *, elsewhere: str | None = None, page: bytes = _PAGE) -> Generator[tuple[str, list[str]]]:
    """A sign-in page that sends the browser `back`; or on to a page `elsewhere`."""
    typed: list[str] = []

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302 if elsewhere else 200)
            self.send_header("Location", elsewhere or "/")
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(page)

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
    with _site(silent) as (site, typed):
        browser = (
            HeadlessBrowser("demo", "secret", executable=find())
            if way == "client"
            else BrowserTraveller("demo", "secret", target=f"{site}/mcp", executable=find)
        )
        try:
            began = time.monotonic()
            assert browser(f"{site}/authorize", silent) == f"{silent}?code=c"
            assert time.monotonic() - began < 15
        finally:
            if isinstance(browser, BrowserTraveller):
                browser.close()
    assert typed == ["secret"]


@pytest.mark.slow
@pytest.mark.parametrize("way", ["client", "suite"])
@pytest.mark.parametrize("page", [_PAGE, b"<!doctype html>x<script>for (;;);</script>"], ids=["silent", "busy"])
def test_a_page_that_keeps_the_browser_waiting_ends_in_words(
    way: str, page: bytes, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = way == "client"
    monkeypatch.setattr(f"{'mcp_demo.client.browser' if ours else 'conformance.journey'}._SLOW", 3.0)
    monkeypatch.setattr(f"{'mcp_demo.client.browser' if ours else 'conformance.traveller'}._GRACE", 1.0)
    with _site(silent, elsewhere=silent if page == _PAGE else None, page=page) as (site, typed):
        back = "http://127.0.0.1:1/callback"
        began = time.monotonic()
        if ours:
            with pytest.raises(SignInFailed):
                HeadlessBrowser("demo", "secret", executable=find(), timeout=6)(f"{site}/authorize", back)
        else:
            browser = BrowserTraveller("demo", "secret", target=f"{site}/mcp", executable=find, timeout=6)
            try:
                with pytest.raises(Blocked):
                    browser(f"{site}/authorize", back)
            finally:
                browser.close()
        assert time.monotonic() - began < 30
    assert not typed


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
            "demo",
            "secret",
            target=f"{site}/mcp",
            executable=find,
            script=by_script if script else None,
            origins=origins,
        )
        try:
            journey = browser.travel(f"{site}/authorize", silent)
        finally:
            browser.close()
    assert typed == (["secret"] if named else [])
    assert (journey.returned is not None) is named
    assert journey.stranger == ("" if named else other)


@pytest.mark.parametrize("named", [False, True])
def test_the_client_types_a_password_only_at_the_authorization_endpoint_and_where_it_was_told_to(
    *, named: bool, silent: str
) -> None:
    with _site(silent) as (other, typed), _site(silent, elsewhere=other) as (site, _):
        origins = [f"{other}/some/path?x"] if named else [site.replace("127.0.0.1", "localhost")]
        browser = HeadlessBrowser("demo", "secret", origins=origins, executable=find())
        if named:
            assert browser(f"{site}/authorize", silent) == f"{silent}?code=c"
        else:
            with pytest.raises(PasswordWithheld) as withheld:
                browser(f"{site}/authorize", silent)
            _, words, cure = explain(withheld.value)
            assert f"at {other}, which is not the authorization endpoint's own origin" in words
            assert "--sign-in-at" in cure
    assert typed == (["secret"] if named else [])


_EVERY_WAY = """<!doctype html><title>Sign in</title><form method=post action={0}/form><button>Allow</button></form>
<link rel=stylesheet href={0}/style><link rel=preconnect href={0}><link rel=prefetch href={0}/before>
<img src={0}/picture><iframe src={0}/frame></iframe><script src={0}/script></script><script>
fetch('{0}/fetch', {{mode: 'no-cors'}}).catch(String); new WebSocket('{0}/socket'.replace('http', 'ws'));
window.open('{0}/window'); navigator.sendBeacon('{0}/beacon');
new WebTransport('{0}/transport'.replace('http:', 'https:')).ready.catch(String);
const call = new RTCPeerConnection({{iceServers: [{{urls: 'stun:{0}'.replace('http://', '')}}]}});
call.createDataChannel('x'); call.createOffer().then(offer => call.setLocalDescription(offer));
</script>"""


@pytest.mark.parametrize("way", ["a redirect", "its pages"])
def test_a_target_cannot_send_the_suites_browser_further_inside(
    way: str, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outer_and_inner(address: str) -> Zone:
        return "public" if address == "127.0.0.1" else "loopback"

    monkeypatch.setattr(reach, "zone_of", outer_and_inner)
    with _inner() as (inner, visitors):
        page = _EVERY_WAY.format(inner).encode() if way == "its pages" else _PAGE
        with _site(silent, elsewhere=inner if way == "a redirect" else None, page=page) as (site, _):
            browser = BrowserTraveller("demo", "secret", target=f"{site}/mcp", executable=find, timeout=5)
            try:
                journey = browser.travel(f"{site}/authorize", silent)
            finally:
                browser.close()
    assert not visitors
    assert journey.returned is None
    assert "127.0.0.2 is on this machine, where a target that is on the public internet may not" in journey.end


@contextmanager
def _inner() -> Generator[tuple[str, list[str]]]:
    """Something in the house: a port at another address of this machine, and who came, by TCP or UDP."""
    visitors: list[str] = []
    with socket.socket() as listener, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        try:
            listener.bind(("127.0.0.2", 0))
        except OSError:
            pytest.skip("This machine has one loopback address only.")
        listener.listen()
        datagrams.bind(listener.getsockname())
        yield f"http://127.0.0.2:{listener.getsockname()[1]}", visitors
        came: list[socket.socket] = select.select([listener, datagrams], [], [], 0)[0]
        visitors.extend(kind.type.name for kind in came)


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
