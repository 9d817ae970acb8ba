"""Servers that misbehave, over real connections: a run ends in time, with a clear verdict and no pass unearned.

An exchange takes 8 s at most, three unanswered ones in a row end the asking, and a run waits no longer than
`PATIENCE` in all. Here both are shorter, for the same code.
"""

import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import CertificateBuilder, DNSName, Name, NameAttribute, SubjectAlternativeName
from cryptography.x509 import random_serial_number as serial
from cryptography.x509.oid import NameOID

from conformance import session as sessions
from conformance.catalogue import Selection, load
from conformance.result import Report
from conformance.run import judge
from conformance.session import Session
from conformance.stack import target_of
from conformance.target import Target
from mcp_demo.local.state import Run

_CHECKS = Selection(roles=("resource-server", "authorization-server")).of(load())
_TIMEOUT = 0.4
_BOUND = 20.0
Raw = Callable[[socket.socket], None]
_stop = threading.Event()


def _drip(head: bytes, drop: bytes) -> Raw:
    """Sends the head at once, then a drop now and then until the test is over."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(head)
        while not _stop.wait(0.03):
            connection.sendall(drop)

    return serve


_OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
RAW: dict[str, Raw] = {
    "closes at once": lambda connection: None,
    "cuts in the middle of the headers": lambda connection: connection.sendall(_OK),
    "cuts in the middle of the body": lambda connection: connection.sendall(_OK + b"content-length: 900\r\n\r\n{"),
    "hangs after the headers": _drip(_OK + b"content-length: 900\r\n\r\n", b""),
    "never sends a byte": _drip(b"", b""),
    "drips its headers": _drip(b"HTTP/1.1 200 OK\r\n", b"x-more: 1\r\n"),
    "drips its body": _drip(_OK + b"content-length: 90000\r\n\r\n", b" "),
    "sends only interim answers": _drip(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "is no HTTP server": lambda connection: connection.sendall(b"220 mail.example ESMTP\r\n"),
    "speaks binary": lambda connection: connection.sendall(bytes(range(256)) * 20),
}


def _endless(connection: socket.socket) -> None:
    connection.sendall(_OK + b"\r\n")
    while not _stop.is_set():
        connection.sendall(b"[" * 65536)


class _Site(BaseHTTPRequestHandler):
    """A web server with one answer for everything."""

    status, fields, body = 200, (("content-type", "text/html"),), b"<!doctype html><title>Welcome</title>"
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        self.rfile.read(length)
        self.send_response(self.status)
        for name, value in self.fields:
            self.send_header(name, value)
        self.send_header("content-length", str(len(self.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


_JSON = (("content-type", "application/json"),)
SITES: dict[str, tuple[int, tuple[tuple[str, str], ...], bytes]] = {
    "is a static web site": (_Site.status, _Site.fields, _Site.body),
    "has no authorization": (200, _JSON, b'{"jsonrpc": "2.0", "id": 1, "result": {"tools": []}}'),
    "answers 401 to everything": (401, (("www-authenticate", "Bearer"),), b""),
    "answers 503 to everything": (503, (("retry-after", "3600"),), b""),
    "redirects to itself for ever": (307, (("location", "/mcp"),), b""),
    "redirects to nonsense": (302, (("location", "http://["),), b""),
    "sends HTML as JSON": (200, _JSON, b"<!doctype html><title>Sign in</title>"),
    "sends a list as JSON": (200, _JSON, b'[null, {"resource": {}}]'),
    "says that it is well": (200, _JSON, b'{"status": "ok"}'),
}


@pytest.fixture(autouse=True)
def _ends() -> Generator[None]:
    _stop.clear()
    yield
    _stop.set()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "PATIENCE", 6.0)


@pytest.mark.parametrize("name", RAW)
def test_a_server_that_never_answers_in_full_cannot_be_judged(name: str) -> None:
    with _raw(RAW[name]) as url:
        report = _judged(url)
    assert report.exit_code == 4, report.results
    assert report.sentence == "Cannot be judged: see the preflight."
    assert _verdicts(report) == {"blocked", "excluded"}
    assert report.seconds < _BOUND


@pytest.mark.parametrize("name", SITES)
def test_a_server_that_is_no_protected_mcp_server_does_not_conform(name: str) -> None:
    with _site(*SITES[name]) as url:
        report = _judged(url)
    assert report.exit_code == 1
    assert "fail" in _verdicts(report) | {"blocked"}
    assert "error" not in _verdicts(report), [r.received for r in report.results if r.verdict == "error"]
    assert not _passed(report) - _EARNED.get(name, frozenset()), "a pass that was not earned"
    assert report.seconds < _BOUND


# What such a server does right, however little that is.
_EARNED = {
    "answers 401 to everything": frozenset(
        {
            "rs.challenge.every-request",
            "rs.challenge.grammar",
            "rs.challenge.no-error-without-token",
            "rs.token.not-repeated",
        }
    ),
}


def test_an_endless_body_is_read_no_further_than_its_limit() -> None:
    with _raw(_endless) as url:
        report = _judged(url)
    assert report.exit_code in (1, 4)
    assert "error" not in _verdicts(report)
    assert report.seconds < _BOUND


def test_a_server_that_answers_slowly_but_does_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "PATIENCE", 1.0)

    def slow(connection: socket.socket) -> None:
        _stop.wait(0.3)
        connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer\r\ncontent-length: 0\r\n\r\n")

    with _raw(slow) as url:
        report = _judged(url)
    assert report.exit_code == 1
    assert report.seconds < 5
    assert any("nothing is sent any more" in result.received for result in report.results)
    assert not [
        result.check.id for result in report.results if result.verdict == "fail" and "any more" in result.received
    ]


@pytest.mark.parametrize("names", [("localhost",), ("elsewhere.example",)], ids=["self-signed", "another name"])
def test_a_certificate_that_nobody_can_trust_stops_the_run(names: tuple[str, ...], tmp_path: Path) -> None:
    with _site(*SITES["is a static web site"], tls=_certificate(tmp_path, *names)) as url:
        report = _judged(url)
    assert report.exit_code == 4
    assert "TLS certificate is not valid" in report.preflight[1].text
    assert "SSL_CERT_FILE" in report.preflight[1].text


def test_the_name_in_the_certificate_counts_even_when_its_authority_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = _certificate(tmp_path, "elsewhere.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with _site(*SITES["is a static web site"], tls=pem) as url:
        report = _judged(url)
    assert report.exit_code == 4
    assert "Hostname mismatch" in report.preflight[1].text


def test_the_command_says_so_in_words_and_by_its_exit_code() -> None:
    with socket.socket() as taken, _site(*SITES["answers 401 to everything"]) as walled:
        taken.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}/mcp"
        runs = {url: _command(url) for url in (dead, walled)}
    assert [runs[dead].returncode, runs[walled].returncode] == [4, 1]
    for run in runs.values():
        assert "Traceback" not in run.stdout + run.stderr
    assert runs[dead].stdout.splitlines()[-1] == "Cannot be judged: see the preflight."
    assert runs[walled].stdout.splitlines()[-1].startswith("Does not conform to MCP")


@pytest.mark.slow
def test_ten_targets_good_and_bad_are_judged_in_parallel_like_one_after_the_other(
    stack: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "PATIENCE", 240.0)
    good = replace(target_of(stack.state), sign_in=None, cold_start=None)
    with ExitStack() as open_servers:
        bad = [open_servers.enter_context(_site(*answer)) for answer in SITES.values()]
        ten = [good, *(Target(url, token="not-a-token") for url in bad)]
        one_by_one = [_outcome(target) for target in ten]
        with ThreadPoolExecutor(len(ten)) as pool:
            together = list(pool.map(_outcome, ten))
    assert len(ten) == 10
    assert together == one_by_one
    assert {verdict for _, verdict in together[0]} <= {"pass", "not-applicable", "blocked", "excluded"}


def _judged(url: str) -> Report:
    target = Target(url, token="not-a-token", may_register=True)
    return judge(target, _CHECKS, session=Session(target, timeout=_TIMEOUT), clock=time.monotonic)


def _outcome(target: Target) -> list[tuple[str, str]]:
    """With the usual patience, for ten at once are slower than one."""
    report = judge(target, Selection(roles=("resource-server",)).of(load()))
    return [(result.check.id, result.verdict) for result in report.results]


def _verdicts(report: Report) -> set[str]:
    return {result.verdict for result in report.results}


def _passed(report: Report) -> set[str]:
    return {result.check.id for result in report.results if result.verdict == "pass"}


def _command(url: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "mcp_demo.cli", "conformance", "run", url, "-q"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def _site(status: int, fields: tuple[tuple[str, str], ...], body: bytes, *, tls: Path | None = None) -> Generator[str]:
    handler = type("Site", (_Site,), {"status": status, "fields": fields, "body": body})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads, server.block_on_close = True, False
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.handle_error = lambda request, client_address: None  # who distrusts us hangs up
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"{'https' if tls else 'http'}://localhost:{server.server_port}/mcp"
        server.shutdown()
        thread.join(5)


@contextmanager
def _raw(serve: Raw) -> Generator[str]:
    """A listener whose every connection is served by a function, and closed after it."""

    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            serve(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        listener.shutdown(socket.SHUT_RDWR)
    accepting.join(5)


def _certificate(folder: Path, *names: str) -> Path:
    """A key and a certificate that it has signed itself, for these names."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = Name([NameAttribute(NameOID.COMMON_NAME, names[0])])
    start = datetime.now(UTC) - timedelta(minutes=5)
    made = (
        CertificateBuilder(subject, subject, key.public_key(), serial(), start, start + timedelta(hours=1))
        .add_extension(SubjectAlternativeName([DNSName(name) for name in names]), critical=False)
        .sign(key, SHA256())
    )
    pem = folder / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(private + made.public_bytes(Encoding.PEM))
    return pem


@pytest.mark.slow
def test_a_known_server_is_judged_as_it_is_recorded() -> None:
    command = [sys.executable, "-m", "conformance.targets", "mcp-sdk", "--check"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert len(run.stdout.splitlines()) == 1, run.stdout
