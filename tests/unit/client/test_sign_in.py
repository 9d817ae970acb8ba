"""The loopback listener, with real sockets."""

import threading
import urllib.request
from urllib.error import HTTPError

import pytest

from mcp_demo.client import sign_in
from mcp_demo.client.errors import SignInFailed
from mcp_demo.client.sign_in import Loopback


def visitor(redirect: list[str], paths: list[str]) -> sign_in.Open:
    def open_url(url: str) -> None:
        def visit() -> None:
            for path in paths:
                try:
                    with urllib.request.urlopen(redirect[0].replace("/callback", path), timeout=5) as response:
                        response.read()
                except HTTPError as error:
                    error.close()

        threading.Thread(target=visit, daemon=True).start()

    return open_url


def test_the_listener_waits_for_the_callback_and_ignores_the_rest() -> None:
    redirect: list[str] = []
    with Loopback(visitor(redirect, ["/favicon.ico", "/callback", "/callback?code=c&state=s"]), timeout=10) as listener:
        redirect.append(listener.redirect_uri)
        assert listener("https://as.example/authorize", listener.redirect_uri) == f"{redirect[0]}?code=c&state=s"


def test_the_listener_gives_up_after_its_time() -> None:
    with Loopback(lambda url: None, timeout=0.01) as listener, pytest.raises(SignInFailed):
        listener("https://as.example/authorize", listener.redirect_uri)


def test_two_listeners_get_two_ports() -> None:
    with Loopback() as one, Loopback() as two:
        assert one.redirect_uri != two.redirect_uri


def test_the_browser_is_opened_without_a_shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(sign_in.webbrowser, "open", opened.append)
    url = "https://as.example/authorize?x=$(touch%20/tmp/canary)`id`&y=%VAR%"
    sign_in.system_browser(url)
    assert opened == [url]
    captured = capsys.readouterr()
    assert url in captured.err
    assert not captured.out
