"""Requests that no library would send, to the running server and bridge: nothing answers wrongly, nothing stops."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import httpx
import pytest

from conformance.stack import issuer_of
from mcp_demo.local.state import Run

_BODY = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'


def _send(url: str, request: bytes) -> bytes:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        received = b""
        with suppress(ConnectionError):
            connection.sendall(request)
            while part := connection.recv(65536):
                received += part
        return received


def _post(host: bytes, path: bytes, *fields: bytes, body: bytes = _BODY) -> bytes:
    lines = [b"POST " + path + b" HTTP/1.1", b"Host: " + host, b"Connection: close", *fields]
    lines += [b"Content-Type: application/json", b"Accept: application/json, text/event-stream"]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


def _statuses(answers: bytes) -> list[bytes]:
    return [line[9:12] for line in answers.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


def test_two_authorizations_or_hosts_are_refused_whichever_is_good(stack: Run) -> None:
    host = urlsplit(stack.server).netloc.encode()
    good = b"Authorization: Bearer " + issuer_of(stack).token().encode()
    bad = b"Authorization: Bearer nonsense"
    assert _statuses(_send(stack.server, _post(host, b"/mcp", good))) == [b"200"]
    for fields in ((good, bad), (bad, good), (good, good)):
        assert _statuses(_send(stack.server, _post(host, b"/mcp", *fields))) == [b"400"]
    for fields in ((good, b"Host: evil.example"), (good, b"HOST: " + host)):
        assert _statuses(_send(stack.server, _post(host, b"/mcp", *fields)))[0] in (b"400", b"421", b"403")
    assert _statuses(_send(stack.server, _post(b"evil.example", b"/mcp", good)))[0] in (b"400", b"421", b"403")


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"X: a\r\n folded: b\x00",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    ],
)
def test_a_second_request_cannot_hide_in_the_first(fields: bytes, stack: Run) -> None:
    hidden = b"0\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for url, path in ((stack.server, b"/mcp"), (stack.bridge, b"/token")):
        host = urlsplit(url).netloc.encode()
        answers = _send(url, b"POST " + path + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + fields + b"\r\n\r\n" + hidden)
        assert _statuses(answers) == [b"400"]
        assert b'"ok"' not in answers


def test_nobody_is_kept_out_by_requests_that_never_end(stack: Run) -> None:
    for url in (stack.server, stack.bridge):
        with ExitStack() as held:
            for beginning in _beginnings(150):
                parts = urlsplit(url)
                held.enter_context(socket.create_connection((parts.hostname, parts.port), timeout=10)).sendall(
                    beginning
                )
            origin = f"http://{urlsplit(url).netloc}"
            with httpx.Client(timeout=10, trust_env=False) as http:
                assert [http.get(f"{origin}/health").status_code for _ in range(20)] == [200] * 20


def _beginnings(number: int) -> Iterator[bytes]:
    kinds = (
        b"",
        b"G",
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n{",
        b"GET / HTTP/1.1\r\nX: ",
    )
    yield from (kinds[place % len(kinds)] for place in range(number))
