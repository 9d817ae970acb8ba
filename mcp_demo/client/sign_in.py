"""Ways to sign in: each takes the authorization URL and gives the URL that the browser came back to.

Spec: RFC 8252 §7.3 and §8.3; Security Best Practices › OAuth Authorization URL Validation.
"""

import socket
import sys
import time
import webbrowser
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from urllib.parse import urlsplit

from mcp_demo.client.errors import SignInFailed

_PAGE = (
    b"<!doctype html><meta charset=utf-8><meta name=color-scheme content='light dark'><title>Signed in</title>"
    b"<body style='font:18px system-ui;display:grid;place-items:center;min-height:90vh'>"
    b"<main><h1>Done</h1><p>You can close this window and go back to your program.</p></main>"
)
Open = Callable[[str], object]


def system_browser(url: str) -> None:
    """Open a URL in the system's browser, without a shell; print it too, in case none comes up."""
    print_url(url)
    webbrowser.open(url)


def print_url(url: str) -> None:
    """Print a URL for somebody to open."""
    print(f"Open this page to sign in:\n\n  {url}\n", file=sys.stderr)  # noqa: T201 - this is what it is for


class Loopback:
    """A listener on this machine that waits for the browser to come back.

    The port is taken when the object is made, since the redirect URI has to be known before anything else happens.

    Args:
        open_url: Brings the person to the page: `system_browser`, `print_url`, or a headless browser's `open`.
        path: The path of the redirect URI.
        host: Its host name; the listener binds 127.0.0.1 in any case.
        port: A port, or 0 for a free one.
        timeout: How many seconds a person has.
    """

    def __init__(
        self,
        open_url: Open = system_browser,
        *,
        path: str = "/callback",
        host: str = "localhost",
        port: int = 0,
        timeout: float = 300.0,
    ) -> None:
        self._open = open_url
        self._timeout = timeout
        self._path = path
        self._socket = socket.create_server(("127.0.0.1", port))
        self.redirect_uri = f"http://{host}:{self._socket.getsockname()[1]}{path}"

    def __call__(self, url: str, redirect_uri: str) -> str:
        """Open the page and wait.

        Raises:
            SignInFailed: Nobody came back in time.
        """
        self._open(url)
        deadline = time.monotonic() + self._timeout
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                break
            with connection:
                connection.settimeout(5.0)
                if target := _serve(connection, self._path):
                    return redirect_uri.partition("?")[0] + "?" + urlsplit(target).query
        raise SignInFailed("Nobody came back from the sign-in page in time.")

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()

    def __enter__(self) -> "Loopback":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Handler(BaseHTTPRequestHandler):
    """Parses one request from bytes; what it would write goes nowhere."""

    def __init__(self, request: bytes) -> None:
        self.rfile, self.wfile = BytesIO(request), BytesIO()
        self.raw_requestline = self.rfile.readline(8192)
        self.readable = self.parse_request()


def _serve(connection: socket.socket, path: str) -> str | None:
    """Answer one request; the target, if it is the callback and not a favicon or a stranger's guess."""
    try:
        request = _Handler(connection.recv(16384))
        target = request.path if request.readable and request.command == "GET" else ""
        if urlsplit(target).path != path or not urlsplit(target).query:
            connection.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            return None
        head = (
            "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncache-control: no-store\r\n"
            f"referrer-policy: no-referrer\r\ncontent-length: {len(_PAGE)}\r\nconnection: close\r\n\r\n"
        )
        connection.sendall(head.encode() + _PAGE)
    except (OSError, AttributeError):  # the browser hung up, or sent no request line
        return None
    return target
