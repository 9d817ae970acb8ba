"""Client metadata documents served from this machine, for authorization servers that may fetch from it (CIMD)."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class _Page:
    body: bytes
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

    def publish(self, path: str, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> str:
        """Serve this at a path from now on; returns its URL."""
        if not self._thread.is_alive():
            self._thread.start()
        self._pages[path] = _Page(body, status, headers or {})
        return self.url(path)

    def hits(self, url: str) -> int:
        """How often a URL was fetched."""
        parts = urlsplit(url)
        return self._hits[f"{parts.path}?{parts.query}" if parts.query else parts.path]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Serve one request."""
        self._hits[request.path] += 1
        page = self._pages.get(request.path, _Page(b"", 404))
        headers = {"Content-Type": "application/json", "Content-Length": str(len(page.body)), **page.headers}
        request.send_response(page.status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        try:
            request.wfile.write(page.body)
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
