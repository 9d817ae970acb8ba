"""Requests that no library would send, to the running server and bridge: nothing answers wrongly, nothing stops."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any
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
    return re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)


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


_NEWEST = b"Mcp-Protocol-Version: 2026-07-28"
_META: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
_ADD: dict[str, Any] = {"name": "add_context", "arguments": {"name": "smuggled", "text": "x"}, "_meta": _META}
_CALL: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": _ADD}


@pytest.mark.parametrize(
    "fields",
    [
        (_NEWEST, b"Mcp-Method: tools/list"),
        (_NEWEST, b"Mcp-Method: tools/call", b"Mcp-Name: whoami"),
        (_NEWEST, b"mcp-METHOD: \t tools/list \t", b"MCP-NAME:    whoami  "),
        (_NEWEST, b"Mcp-Method: tools/list", b"Mcp-Method: tools/call", b"Mcp-Name: add_context"),
        (_NEWEST, b"Mcp-Method: tools/list, tools/call", b"Mcp-Name: add_context"),
        (_NEWEST, b"Mcp-Method: tools/list", b"Mcp-Name: who\r\n ami"),
        (_NEWEST, b"Mcp-Method: tools/call", b"Mcp-Name: =?base64?\xc3\xa9?="),
        (_NEWEST, b"Mcp-Method: =?base64?dG9vbHMvbGlzdA==?=", b"Mcp-Name: add_context"),
        (_NEWEST, b"Mcp-Method: tools/call", b"Mcp-Name: =?base64?d2hvYW1p?="),
        (_NEWEST, b"Mcp-Method: tools/call", "Mcp-Name: add\uff3fcontext".encode()),
        (_NEWEST, _NEWEST, b"Mcp-Method: tools/list"),
        (b"Mcp-Protocol-Version: 2025-11-25", _NEWEST, b"Mcp-Method: tools/list"),
        (b"Mcp-Protocol-Version: 2026-07-28, 2025-11-25", b"Mcp-Method: tools/list"),
        (b"Mcp-Protocol-Version: 2025-11-25", b"Mcp-Method: tools/list"),
        (_NEWEST, b"Mcp_Method: tools/list", b"Mcp_Name: whoami"),
        (b"Mcp-Method: tools/list", b"Mcp-Name: whoami"),
    ],
)
def test_headers_that_say_another_operation_than_the_body_run_none(fields: tuple[bytes, ...], stack: Run) -> None:
    host = urlsplit(stack.server).netloc.encode()
    issuer = issuer_of(stack)
    for body in (_CALL, [_CALL]):
        for scope in (f"{stack.server}/read", f"{stack.server}/read {stack.server}/write"):
            token = b"Authorization: Bearer " + issuer.token(scope=scope, sub="smuggler").encode()
            answer = _send(stack.server, _post(host, b"/mcp", token, *fields, body=json.dumps(body).encode()))
            assert _statuses(answer) in ([b"400"], [b"403"]), answer
            assert b"does not cover this tool" not in answer


def test_each_pipelined_request_stands_on_its_own_token(stack: Run) -> None:
    host = urlsplit(stack.server).netloc.encode()
    good = b"Authorization: Bearer " + issuer_of(stack).token().encode()
    last = _post(host, b"/mcp", good)
    without = _post(host, b"/mcp").replace(b"Connection: close\r\n", b"")
    kept = last.replace(b"Connection: close\r\n", b"")
    assert _statuses(_send(stack.server, without + kept + without + last)) == [b"401", b"200", b"401", b"200"]
    assert _statuses(_send(stack.server, kept + _post(host, b"/mcp"))) == [b"200", b"401"]


def test_who_asks_before_sending_a_body_is_told_to_go_on_only_with_a_token(stack: Run) -> None:
    host = urlsplit(stack.server).netloc.encode()
    good = b"Authorization: Bearer " + issuer_of(stack).token().encode()
    asks = b"Expect: 100-continue"
    assert _statuses(_send(stack.server, _post(host, b"/mcp", good, asks))) == [b"100", b"200"]
    assert _statuses(_send(stack.server, _post(host, b"/mcp", asks))) == [b"401"]


def test_a_token_in_a_trailer_is_none(stack: Run) -> None:
    host = urlsplit(stack.server).netloc.encode()
    good = b"Authorization: Bearer " + issuer_of(stack).token().encode()
    head, _, body = _post(host, b"/mcp").partition(b"\r\n\r\n")
    head = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked\r\nTrailer: Authorization", head)
    chunks = b"%x\r\n%s\r\n0\r\n" % (len(body), body)
    assert _statuses(_send(stack.server, head + b"\r\n\r\n" + chunks + good + b"\r\n\r\n")) == [b"401"]


def test_a_head_of_many_fields_holds_nobody(stack: Run) -> None:
    host = urlsplit(stack.server).netloc.encode()
    good = b"Authorization: Bearer " + issuer_of(stack).token().encode()
    many = [b"X%04x:" % number for number in range(8000)]
    for url, path in ((stack.server, b"/mcp"), (stack.bridge, b"/token")):
        assert _statuses(_send(url, _post(host, path, good, _NEWEST, *many)))[0] in (b"400", b"431")


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
