"""A world on real sockets of this machine; what is meant for others comes in through the proxy setting."""

import socket
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from conformance.personas import tunnel
from conformance.personas.world import PORTS, World
from mcp_demo.exchange.model import Request, Response

_MAX_BODY = 1024 * 1024


def free_ports() -> list[socket.socket]:
    """As many listeners as a world needs, and one for the proxy."""
    return [socket.create_server(("127.0.0.1", 0)) for _ in range(PORTS + 1)]


@contextmanager
def serving(world: World, listeners: list[socket.socket]) -> Generator[None]:
    """Let a world answer for the length of a `with` block."""
    with ExitStack() as stack:
        for listener in listeners:
            stack.enter_context(_server(world, listener))
        yield


@contextmanager
def _server(world: World, listener: socket.socket) -> Generator[None]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one piece, or each answer waits for an acknowledgement
        timeout = 30

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except OSError:  # the client is gone
                self.close_connection = True

        def answer(self) -> None:
            _write(self, world.answer(_read(self, listener)))

        do_GET = do_POST = do_DELETE = do_PUT = do_HEAD = do_OPTIONS = answer

        def do_CONNECT(self) -> None:
            world.answer(_read(self, listener))
            tunnel.listen(self, world.answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Stay silent."""

    port = listener.getsockname()[1]
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.daemon_threads, server.block_on_close = True, False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _read(handler: BaseHTTPRequestHandler, listener: socket.socket) -> Request:
    headers = tuple((name.lower(), value) for name, value in handler.headers.items())
    url = handler.path
    if handler.command == "CONNECT":
        url = f"https://{handler.path}"
    elif url.startswith("/"):
        host = handler.headers.get("host") or f"localhost:{listener.getsockname()[1]}"
        url = f"http://{host}{url}"
    length = handler.headers.get("content-length", "0")
    if handler.headers.get("transfer-encoding", "").lower() == "chunked":
        body = _chunks(handler)
    else:
        body = handler.rfile.read(min(int(length), _MAX_BODY)) if length.isdigit() else b""
    return Request(handler.command, url, headers, body)


def _chunks(handler: BaseHTTPRequestHandler) -> bytes:
    body = b""
    while len(body) < _MAX_BODY:
        size = int(handler.rfile.readline(64).partition(b";")[0].strip() or b"0", 16)
        body += handler.rfile.read(size)
        handler.rfile.readline(8)
        if not size:
            break
    return body


def _write(handler: BaseHTTPRequestHandler, response: Response) -> None:
    handler.send_response(response.status)
    for name, value in response.headers:
        handler.send_header(name, value)
    body = b"" if handler.command == "HEAD" else response.body
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
    handler.wfile.flush()
