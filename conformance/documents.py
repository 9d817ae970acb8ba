"""Client metadata documents served from this machine, for authorization servers that may fetch from it (CIMD)."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

Body = bytes | Callable[[], Iterator[bytes]]
"""What is served: all at once, or piece by piece, and then without a length."""


@dataclass(frozen=True, slots=True)
class _Page:
    body: Body
    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class LoopbackDocuments:
    """Serves documents on a free loopback port, and counts who comes; starts with the first one.

    Args:
        host: The name it is called by.
    """

    def __init__(self, host: str = "localhost") -> None:
        self._host = host
        self._pages: dict[str, _Page] = {}
        self._hits: Counter[str] = Counter()
        self._emptied: set[str] = set()
        documents = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                documents.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.server_port

    def url(self, path: str) -> str:
        """The URL of a path."""
        return f"http://{self._host}:{self.port}{path}"

    def publish(self, path: str, body: Body, *, status: int = 200, headers: Mapping[str, str] | None = None) -> str:
        """Serve this at a path from now on; returns its URL."""
        if not self._thread.is_alive():
            self._thread.start()
        self._pages[path] = _Page(body, status, headers or {})
        return self.url(path)

    def hits(self, url: str) -> int:
        """How often a URL was fetched."""
        parts = urlsplit(url)
        return self._hits[f"{parts.path}?{parts.query}" if parts.query else parts.path]

    def emptied(self, url: str) -> bool:
        """Whether somebody has read what is served piece by piece to its end."""
        return urlsplit(url).path in self._emptied

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Serve one request."""
        self._hits[request.path] += 1
        page = self._pages.get(request.path, _Page(b"", 404))
        length = {"Content-Length": str(len(page.body))} if isinstance(page.body, bytes) else {"Connection": "close"}
        request.send_response(page.status)
        for name, value in {"Content-Type": "application/json", **length, **page.headers}.items():
            request.send_header(name, value)
        request.end_headers()
        try:
            for piece in (page.body,) if isinstance(page.body, bytes) else page.body():
                request.wfile.write(piece)
            self._emptied.add(request.path)
        except OSError:  # the other side has seen enough
            request.close_connection = True

    def close(self) -> None:
        """Stop serving."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
