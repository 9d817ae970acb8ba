"""What one connection may cost a server of ours, seen from a raw socket."""

import socket
import threading
import time
from collections.abc import Generator
from contextlib import suppress
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from mcp_demo.local import bounded_http
from mcp_demo.local.run import configured

_GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        return
    assert scope["type"] == "http"
    size, more = 0, True
    while more and scope["path"] != "/early":
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    fields = len(scope["headers"])
    body = f"{scope['method']} {scope['path']} {size} with {fields} fields".encode()
    if scope["path"] == "/long":
        body = bytes(8 * 1024 * 1024)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def served() -> Generator[tuple[uvicorn.Server, int]]:
    with pytest.MonkeyPatch.context() as patch, socket.create_server(("127.0.0.1", 0)) as listener:
        patch.setattr(bounded_http, "SECONDS", 0.6)
        server = uvicorn.Server(configured(_echo))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield server, listener.getsockname()[1]
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def port(served: tuple[uvicorn.Server, int]) -> int:
    return served[1]


def _answers(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """All that comes back, until the server hangs up, or five seconds have passed."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        with suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
                if pause:
                    time.sleep(pause)  # it is the slowness that is tested
        received = b""
        with suppress(ConnectionError):
            while part := connection.recv(65536):
                received += part
        return received


def test_a_good_request_and_the_next_on_the_same_connection_are_answered(port: int) -> None:
    post = b"POST /b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
    answers = _answers(port, _GET + b"\r\n", post)
    assert b"GET / 0" in answers
    assert b"POST /b 3" in answers


@pytest.mark.parametrize(
    "start",
    [b"", b"G", _GET, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc", _GET + b"\r\n" + _GET],
)
def test_what_never_arrives_whole_is_given_up(start: bytes, port: int) -> None:
    began = time.monotonic()
    answers = _answers(port, start)
    assert time.monotonic() - began < 4
    assert answers.rpartition(b"HTTP/1.1 ")[2].startswith(b"408 ")


def test_a_byte_now_and_then_buys_no_time(port: int) -> None:
    answers = _answers(port, _GET, *[b"X: y\r\n"] * 12, pause=0.1)
    assert b" 200 " not in answers


def test_who_was_answered_early_and_goes_on_sending_is_hung_up_on(port: int) -> None:
    early = b"POST /early HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n"
    answers = _answers(port, early)
    assert answers.count(b"HTTP/1.1 ") == 1
    assert b"POST /early" in answers


@pytest.mark.parametrize(
    "head",
    [
        b"X: " + b"y" * 600_000,
        b"x" * 600_000,
        b"".join(b"X-%d: y\r\n" % number for number in range(60_000)),
    ],
)
def test_a_head_has_an_end(head: bytes, port: int) -> None:
    assert _answers(port, _GET + head)[9:12] in (b"431", b"400", b"")


def test_a_path_has_an_end(port: int) -> None:
    assert _answers(port, b"GET /" + b"a" * 600_000)[9:12] in (b"431", b"400", b"")


def test_no_websocket_is_spoken(port: int) -> None:
    upgrade = _GET + b"Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n\r\n"
    assert b" 101 " not in _answers(port, upgrade)


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 3\r\nContent-Length: 4\r\n",
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Content-Length: +3\r\n",
        b"Content-Length: 3, 3\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 0x3\r\n",
        b"Content-Length: 99999999999999999999999\r\n",
        b"Content-Length : 3\r\n",
        b" Content-Length: 3\r\n",
        b"X: a\x00b\r\n",
        b"X: a\rb\r\n",
        b"X\x00: a\r\n",
        b": a\r\n",
        b"X a\r\n",
    ],
)
def test_what_two_readers_would_read_differently_is_refused(fields: bytes, port: int) -> None:
    hidden = b"0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answers = _answers(port, b"POST / HTTP/1.1\r\nHost: localhost\r\n" + fields + b"\r\n" + hidden)
    assert b"/hidden" not in answers
    assert answers.startswith(b"HTTP/1.1 400 ")


_CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"


@pytest.mark.parametrize("trailer", [b"Authorization: Bearer x\r\n", b"Host: evil.example\r\nMcp-Name: whoami\r\n"])
def test_a_trailer_is_no_header(trailer: bytes, port: int) -> None:
    answers = _answers(port, _CHUNKED + trailer + b"\r\n" + _GET + b"Connection: close\r\n\r\n")
    assert b"POST / 3 with 2 fields" in answers
    assert b"GET / 0 with 2 fields" in answers


@pytest.mark.parametrize("trailer", [b"X: " + b"y" * 2_000_000, b"".join(b"X-%d: y\r\n" % n for n in range(200_000))])
def test_trailers_have_an_end(trailer: bytes, port: int) -> None:
    answers = _answers(port, _CHUNKED + trailer + b"\r\n\r\n" + _GET + b"Connection: close\r\n\r\n")
    assert b"GET / 0" not in answers


def test_the_extension_of_a_chunk_has_an_end(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3;"
    answers = _answers(port, head + b"x" * 2_000_000 + b"\r\nabc\r\n0\r\n\r\n" + _GET + b"\r\n")
    assert b"GET / 0" not in answers


def test_a_large_body_is_read_in_pieces_of_any_size(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 3000000\r\n\r\n"
    assert b"POST / 3000000" in _answers(port, head, *[b"x" * 500_000] * 6)


@pytest.mark.parametrize(("number", "status"), [(99, b"200"), (100, b"400")])
def test_a_request_has_a_hundred_fields_at_most(number: int, status: bytes, port: int) -> None:
    fields = b"".join(b"X-%d: y\r\n" % place for place in range(number - 1))
    assert _answers(port, _GET + fields + b"Connection: close\r\n\r\n")[9:12] == status


def test_requests_that_wait_for_others_are_counted(port: int) -> None:
    answers = _answers(port, (_GET + b"\r\n") * 5000)
    assert b" 400 " in answers
    assert answers.count(b" 200 ") <= 101


@pytest.mark.parametrize("requests", [1, 40])
def test_who_does_not_read_is_hung_up_on(
    requests: int, served: tuple[uvicorn.Server, int], caplog: pytest.LogCaptureFixture
) -> None:
    server, port = served
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.connect(("127.0.0.1", port))
        lazy.sendall(b"GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n" * requests)
        deadline = time.monotonic() + 5
        while not any(kept.transport.get_write_buffer_size() for kept in _connections(server)):
            assert time.monotonic() < deadline
        while _connections(server) or server.server_state.tasks:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert not caplog.records


def _connections(server: uvicorn.Server) -> list[Any]:
    return list(server.server_state.connections)


def test_who_reads_slowly_but_reads_gets_all(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as slow:
        slow.sendall(b"GET /long HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        size = 0
        while part := slow.recv(262_144):
            size += len(part)
            time.sleep(0.02)  # it is the slowness that is tested
    assert size > 8 * 1024 * 1024
