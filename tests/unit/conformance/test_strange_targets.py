"""Targets that are no protected MCP server, or hardly answer: a clear verdict, no false pass, no traceback."""

import gzip
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

import httpx
import pytest

from conformance import catalogue, document
from conformance.catalogue import Selection
from conformance.requirements import REVISIONS
from conformance.result import Report
from conformance.run import judge
from conformance.session import Session
from conformance.target import Target
from conformance.wire import MAX_BODY, Unanswered
from mcp_demo.exchange.model import Exchange, Request

_CHECKS = Selection(roles=("resource-server",)).of(catalogue.load())
_URL = "http://localhost:1/mcp"
Answer = Callable[[httpx.Request], httpx.Response]


def _judge(answer: Answer, **target: str) -> Report:
    found = Target(_URL, token=target.get("token"))
    return judge(found, _CHECKS, session=Session(found, transport=httpx.MockTransport(answer)))


def _verdicts(report: Report) -> dict[str, str]:
    assert not [result for result in report.results if result.verdict == "error"], report.results
    return {result.check.id: result.verdict for result in report.results}


def _passed(report: Report) -> set[str]:
    return {name for name, verdict in _verdicts(report).items() if verdict == "pass"}


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody accepts
        report = judge(Target(f"http://127.0.0.1:{taken.getsockname()[1]}/mcp"), _CHECKS)
    assert report.exit_code == 4
    assert report.sentence == "Cannot be judged: see the preflight."
    assert set(_verdicts(report).values()) == {"blocked", "excluded"}


@pytest.mark.parametrize("url", ["localhost:3001/mcp", "ftp://host/mcp", "http://", "http://a b/", "not a url", ""])
def test_what_is_no_http_url_is_no_target(url: str) -> None:
    assert judge(Target(url), _CHECKS).exit_code == 4


@pytest.mark.parametrize("status", [200, 404, 405, 501])
def test_a_static_web_site(status: int) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        code = 200 if request.method in ("GET", "HEAD") and status == 200 else status
        return httpx.Response(code, html="<!doctype html><title>Welcome</title>")

    report = _judge(answer)
    assert report.exit_code == 1
    assert _verdicts(report)["rs.challenge.missing-token"] == "fail"
    assert _verdicts(report)["rs.metadata.served"] == "fail"
    assert _passed(report) == set()


@pytest.mark.parametrize("token", [None, "some-token"])
def test_an_mcp_server_without_authorization(token: str | None) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method != "POST" or request.url.path != "/mcp":
            return httpx.Response(404)
        return httpx.Response(200, json={"jsonrpc": "2.0", "id": 1, "result": {"tools": []}})

    report = _judge(answer, **({"token": token} if token else {}))
    verdicts = _verdicts(report)
    assert report.exit_code == 1
    assert verdicts["rs.challenge.missing-token"] == verdicts["rs.challenge.every-request"] == "fail"
    assert verdicts["rs.challenge.invalid-token"] == "fail"
    assert not {name for name in _passed(report) if name.startswith(("rs.token", "rs.metadata", "rs.challenge"))} - {
        "rs.token.not-repeated"
    }


@pytest.mark.parametrize("token", [None, "some-token"])
def test_a_server_that_answers_401_to_everything(token: str | None) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, headers={"www-authenticate": 'Bearer realm="all"'})

    report = _judge(answer, **({"token": token} if token else {}))
    assert report.exit_code == 1
    assert _verdicts(report)["rs.metadata.served"] == "fail"
    # A refusal proves nothing of a server that refuses everything: no negative check may pass.
    assert not {
        name for name in _passed(report) if name.startswith(("rs.token", "rs.bearer", "rs.scope", "rs.origin"))
    } - {
        "rs.token.not-repeated",
        "rs.bearer.malformed-request",
    }


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'{"result": 1}', b"[" * 100_000])
@pytest.mark.parametrize("challenge", [b"Bearer", b"Bearer \xff=", b'Bearer resource_metadata="http://[::1"', b", ,"])
def test_nonsense_in_every_answer(body: bytes, challenge: bytes) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        headers = [(b"www-authenticate", challenge), (b"content-type", b"application/json"), (b"date", b"yesterday")]
        return httpx.Response(401 if request.method == "POST" else 200, headers=headers, content=body)

    _verdicts(_judge(answer, token="not.a.jwt"))


@pytest.mark.parametrize(
    "members", ['"resource": 7', '"resource": "http://["', '"authorization_servers": [null, 3, "http://["]']
)
def test_nonsense_in_the_metadata(members: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if "well-known" in request.url.path:
            return httpx.Response(200, text="{" + members + "}", headers={"content-type": "application/json"})
        value = 'Bearer resource_metadata="http://localhost:1/.well-known/oauth-protected-resource/mcp"'
        return httpx.Response(401, headers={"www-authenticate": value})

    assert _judge(answer).exit_code == 1


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_server_that_cuts_every_connection(revision: str) -> None:
    with _listening(lambda connection: None) as port:
        report = judge(Target(f"http://127.0.0.1:{port}/mcp", revision), _CHECKS)
    assert report.exit_code == 4
    assert "cut" in report.preflight[1].text


def test_a_server_that_cuts_after_the_first_answers() -> None:
    answered = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal answered
        answered += 1
        if answered > 5:
            raise httpx.RemoteProtocolError("cut", request=request)
        return httpx.Response(401, headers={"www-authenticate": "Bearer"})

    report = _judge(answer)
    assert report.exit_code == 1
    assert answered < 20
    assert "blocked" in _verdicts(report).values()


def test_a_server_that_answers_a_byte_at_a_time() -> None:
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
            while not stop.wait(0.05):
                connection.sendall(b"x")

    with _listening(drip) as port:
        target = Target(f"http://127.0.0.1:{port}/mcp")
        report = judge(target, _CHECKS, session=Session(target, timeout=0.3))
        stop.set()
    assert report.exit_code == 4
    assert report.seconds < 5


def test_a_stream_that_stays_open_and_silent_is_an_answer() -> None:
    stop = threading.Event()

    def stream(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        stop.wait(10)

    with _listening(stream) as port:
        url = f"http://127.0.0.1:{port}/mcp"
        request = Request("GET", url, (("accept", "text/event-stream"),))
        exchange = Session(Target(url)).send(Exchange("Stream", "", "", "suite", "server", request))
        stop.set()
    assert exchange.response is not None
    assert exchange.response.status == 200
    assert exchange.seconds < 4


def test_http_that_is_none() -> None:
    with _listening(lambda connection: connection.sendall(b"220 mail.example ESMTP\r\n")) as port:
        assert judge(Target(f"http://127.0.0.1:{port}/mcp"), _CHECKS).exit_code == 4


@contextmanager
def _listening(serve: Callable[[socket.socket], None]) -> Generator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads: list[threading.Thread] = []

        def one(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                connection.recv(65536)
                serve(connection)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threads.append(threading.Thread(target=one, args=(connection,), daemon=True))
                    threads[-1].start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    accepting.join(5)
    for thread in threads:
        thread.join(5)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_packed_answer_is_unpacked_no_further_than_it_is_read(layers: int) -> None:
    packed = b"0" * 50_000_000
    for _ in range(layers):
        packed = gzip.compress(packed)
    coding = ", ".join(["gzip"] * layers)
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {len(packed)}\r\n\r\n".encode()
    with _listening(lambda connection: connection.sendall(head + packed)) as port:
        url = f"http://127.0.0.1:{port}/mcp"
        try:
            exchange = Session(Target(url)).send(Exchange("Bomb", "", "", "suite", "server", Request("GET", url, ())))
        except Unanswered as failure:
            assert "nobody asked for" in str(failure)
            return
    assert exchange.response is not None
    assert len(exchange.response.body) <= 3 * MAX_BODY


@pytest.mark.parametrize("depth", [600, 900])
def test_metadata_of_any_depth_can_be_reported(depth: int) -> None:
    nested = b'{"resource": ' + b"[" * depth + b"]" * depth + b"}"
    report = _judge(lambda request: httpx.Response(200, content=nested, headers={"content-type": "application/json"}))
    assert document.build(report)["results"]


@pytest.mark.parametrize("issuer", ["http://[::1", "http://localhost:99999/x", "http://localhost:1/\n::x", "http://a/"])
def test_an_issuer_that_is_no_url_is_no_failure_of_the_suite(issuer: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"resource": _URL, "authorization_servers": [issuer]})

    target = Target(_URL)
    checks = Selection(roles=("authorization-server",)).of(catalogue.load())
    _verdicts(judge(target, checks, session=Session(target, transport=httpx.MockTransport(answer))))


def test_what_cannot_be_sent_is_no_answer() -> None:
    session = Session(Target(_URL), transport=httpx.MockTransport(lambda request: httpx.Response(200)))
    request = Request("DELETE", _URL, (("authorization", "Bearer \u4e00"),))
    with pytest.raises(Unanswered, match="cannot be sent"):
        session.send(Exchange("Clean up", "", "", "suite", "server", request))
