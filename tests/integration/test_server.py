"""The MCP server as a process of its own, a real JWKS URL, and the SDK's own client, unmodified."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from joserfc import jws
from joserfc.jwk import RSAKey
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

KEYS = [RSAKey.generate_key(2048, {"kid": f"key-{number}"}, private=True) for number in range(2)]
ISSUER = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Abc"
ERAS = ["legacy", "auto", "2026-07-28"]


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Jwks:
    """A JWKS URL that can go away, come back with other keys, and counts its visitors."""

    port: int = field(default_factory=free_port)
    keys: list[RSAKey] = field(default_factory=lambda: [KEYS[0]])
    asked: int = 0
    _server: ThreadingHTTPServer | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks.json"

    def start(self) -> None:
        jwks = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                jwks.asked += 1
                body = json.dumps({"keys": [key.as_dict(private=False) for key in jwks.keys]}).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@dataclass
class Server:
    """The server's process, and what its issuer does."""

    url: str
    jwks: Jwks
    log: Path

    def token(self, key: RSAKey = KEYS[0], *names: str, **changes: Any) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "sub": "alice",
            "client_id": "app",
            "username": "demo",
            "token_use": "access",
            "aud": self.url,
            "scope": " ".join(f"{self.url}/{name}" for name in names or ("read",)),
            "iat": now,
            "exp": now + 300,
        }
        return jws.serialize_compact({"alg": "RS256", "kid": key.kid or ""}, json.dumps(claims | changes), key)

    def call(self, token: str | None) -> httpx.Response:
        headers = {"accept": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
        return httpx.post(self.url, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, headers=headers)

    def raw(self, *lines: str, body: bytes = b"") -> bytes:
        """Send a request as it is, and return the whole answer."""
        port = int(self.url.split(":")[2].split("/")[0])
        with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as connection:
            head = [*lines, f"Host: localhost:{port}", "Connection: close", f"Content-Length: {len(body)}"]
            connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
            return answer


@contextmanager
def served(folder: Path) -> Generator[Server]:
    """The server alone, started as the README says."""
    jwks, port = Jwks(), free_port()
    url = f"http://localhost:{port}/mcp"
    env_file, log = folder / "server.env", folder / "server.log"
    settings = {
        "MCP_URL": url,
        "AUTHORIZATION_SERVERS": json.dumps(["http://localhost:3004"]),
        "ISSUER": ISSUER,
        "JWKS_URI": jwks.uri,
        "CONTEXTS_FILE": "",
    }
    env_file.write_text("".join(f"MCP_DEMO_{name}={value}\n" for name, value in settings.items()))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MCP_DEMO_")}
    command = [sys.executable, "-m", "mcp_demo.local.run", "mcp_demo.server.app:create_app", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment | {"MCP_DEMO_ENV_FILE": str(env_file)},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_healthy(f"http://localhost:{port}/health", process)
        jwks.start()
        yield Server(url, jwks, log)
    finally:
        jwks.stop()
        assert process.stdin is not None
        process.stdin.close()
        process.terminate()
        process.wait(10)


def wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(url).json() == {"status": "ok"}:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"the server did not come up: {process.poll()}")


@pytest.fixture
def server(tmp_path: Path) -> Generator[Server]:
    """A server of one's own, for tests that meddle with its keys."""
    with served(tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A server for the tests that leave its keys alone."""
    with served(tmp_path_factory.mktemp("server")) as found:
        yield found


async def test_an_unmodified_sdk_client_lists_and_calls_tools_in_every_era(shared: Server) -> None:
    for count, mode in enumerate(ERAS, start=1):
        headers = {"authorization": f"Bearer {shared.token(KEYS[0], 'read', 'write')}"}
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(shared.url, http_client=http), mode=mode) as client,
        ):
            assert client.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
            listed = await client.list_tools()
            assert [tool.name for tool in listed.tools] == ["whoami", "list_contexts", "add_context"]
            who = await client.call_tool("whoami", {})
            assert who.structured_content is not None
            assert who.structured_content["username"] == "demo"
            assert isinstance(who.content[0], TextContent)
            await client.call_tool("add_context", {"name": mode, "text": "stored"})
            contexts = await client.call_tool("list_contexts", {})
            assert contexts.structured_content is not None
            assert len(contexts.structured_content["contexts"]) == count


def test_known_keys_outlive_an_outage_and_a_rotation_needs_no_restart(server: Server) -> None:
    old = server.token()
    assert server.call(old).status_code == 200
    server.jwks.stop()
    assert server.call(old).status_code == 200
    assert server.call(server.token(KEYS[1])).status_code == 503
    server.jwks.keys = [KEYS[1]]
    server.jwks.start()
    assert server.call(server.token(KEYS[1])).status_code == 200
    assert server.call(old).status_code == 401


def test_without_keys_from_the_start_nothing_is_let_through_until_they_come(server: Server) -> None:
    server.jwks.stop()
    refused = server.call(server.token())
    assert refused.status_code == 503
    assert "www-authenticate" not in refused.headers
    server.jwks.start()
    assert server.call(server.token()).status_code == 200


def test_what_the_process_writes_shows_no_token(server: Server) -> None:
    tokens = [server.token(), server.token(exp=1), server.token(KEYS[1]), "opaque-canary"]
    for token in tokens:
        server.call(token)
        httpx.post(f"{server.url}?access_token={token}")
    server.jwks.stop()
    assert server.call(server.token(KEYS[1])).status_code == 503
    written = server.log.read_text()
    assert "No signing keys" in written
    assert not any(part in written for token in tokens for part in token.split("."))


async def test_many_made_up_key_ids_at_once_do_not_hammer_the_jwks_url(server: Server) -> None:
    assert server.call(server.token()).status_code == 200
    stranger = [RSAKey.import_key({**KEYS[1].as_dict(private=True), "kid": f"made-up-{n}"}) for n in range(50)]
    good = f"Bearer {server.token()}"
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    async with httpx.AsyncClient(headers={"accept": "application/json"}, timeout=30) as client:

        async def status(authorization: str) -> int:
            return (await client.post(server.url, json=body, headers={"authorization": authorization})).status_code

        made_up = [status(f"Bearer {server.token(key)}") for key in stranger]
        statuses = await asyncio.gather(*made_up, *(status(good) for _ in range(10)))
    assert statuses == [401] * 50 + [200] * 10
    assert server.jwks.asked <= 3


def test_header_rules_hold_on_the_wire(shared: Server) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
    start = ["POST /mcp HTTP/1.1", "Content-Type: application/json", "Accept: application/json"]
    token = shared.token()

    def status(*headers: str, first: str = start[0]) -> int:
        return int(shared.raw(first, *start[1:], *headers, body=body).split(b" ", 2)[1])

    assert status(f"Authorization: bearer {token}") == 200
    assert status(f"AUTHORIZATION:Bearer  {token} ") == 200
    assert status(f"Authorization: Bearer {token}", f"authorization: Bearer {token}") == 400
    assert status("Authorization: Bearer") == 400
    assert status(first=f"POST /mcp?access_token={token} HTTP/1.1") == 401
    assert status(f"Authorization: Bearer {token}", "Origin: https://evil.example") == 403
    assert status(f"Authorization: Bearer {token}", first="GET /mcp HTTP/1.1") == 405
    assert status(f"Authorization: Bearer {'a' * 16_384}") in {400, 401, 431}
    assert status(f"Authorization: Bearer {token}\x7f") in {400, 401}


def test_head_of_the_metadata_has_no_body_on_the_wire(shared: Server) -> None:
    head, _, body = shared.raw("HEAD /.well-known/oauth-protected-resource/mcp HTTP/1.1").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b""
