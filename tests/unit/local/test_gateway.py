"""The host of an API: what comes in goes on as it is, and nothing of one caller goes to the next."""

import asyncio
import gzip
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest
from starlette.applications import Starlette
from starlette.types import Message, Scope

from mcp_demo.local.gateway import create_app
from mcp_demo.settings import GatewaySettings

Headers = list[tuple[bytes, bytes]]


@dataclass
class Api:
    """The embedded AWS as the gateway sees it: keeps what it is sent, and answers what it is told to."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list[bytes])
    headers: Headers = field(default_factory=list[tuple[bytes, bytes]])
    body: bytes = b"{}"
    under_way: int = 0
    most: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.gate.wait()
        self.under_way -= 1
        head = b"".join(b"%s: %s\r\n" % pair for pair in self.headers)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n%s\r\n%s" % (head, self.body))
        writer.close()
        await writer.wait_closed()

    def fields(self, name: bytes) -> list[bytes]:
        """The values of a header of the last request."""
        lines = (line.partition(b":") for line in self.requests[-1].split(b"\r\n")[1:])
        return [value.strip() for key, _, value in lines if key.lower() == name]


@pytest.fixture
async def api() -> AsyncGenerator[Api]:
    api = Api()
    api.gate.set()
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0)
    api.port = server.sockets[0].getsockname()[1]
    async with server:
        yield api


@pytest.fixture
async def gateway(api: Api) -> AsyncGenerator[Starlette]:
    app = create_app(GatewaySettings(api=f"http://127.0.0.1:{api.port}/_aws/execute-api/abc"))
    async with app.router.lifespan_context(app):
        yield app


async def ask(app: Starlette, path: bytes = b"/", headers: Headers | None = None, query: bytes = b"") -> list[Message]:
    """A request without any of the repairs that clients make to paths and headers."""
    sent: list[Message] = []
    scope: Scope = {"type": "http", "method": "GET", "path": path.decode("latin-1"), "raw_path": path, "root_path": ""}
    scope |= {"query_string": query, "headers": headers or [], "server": ("localhost", 80), "scheme": "http"}

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        (b"/.well-known/x", b"/_aws/execute-api/abc/.well-known/x"),
        (b"/../../../restapis", b"/_aws/execute-api/abc/../../../restapis"),
        (b"/a%2F..%2fb//c", b"/_aws/execute-api/abc/a%2F..%2fb//c"),
        ("/ä".encode(), b"/_aws/execute-api/abc/%C3%A4"),
        (b"/\xff", b"/_aws/execute-api/abc/%FF"),
    ],
)
async def test_a_path_stays_below_the_api_and_is_not_rewritten(
    api: Api, gateway: Starlette, path: bytes, asked: bytes
) -> None:
    assert (await ask(gateway, path))[0]["status"] == 200
    assert api.requests[-1].startswith(b"GET " + asked + b" HTTP/1.1")


async def test_a_query_goes_on_as_it_is(api: Api, gateway: Starlette) -> None:
    await ask(gateway, query=b"a=%20&a=+&\xe4")
    assert api.requests[-1].startswith(b"GET /_aws/execute-api/abc/?a=%20&a=+&%E4 HTTP")


async def test_an_encoded_body_keeps_its_encoding(api: Api, gateway: Starlette) -> None:
    api.body = gzip.compress(b"hello")
    api.headers = [(b"Content-Encoding", b"gzip")]
    start, body = await ask(gateway)
    assert gzip.decompress(body["body"]) == b"hello"
    assert dict(start["headers"])[b"content-length"] == str(len(api.body)).encode()


async def test_no_header_is_added_to_what_the_caller_sent(api: Api, gateway: Starlette) -> None:
    await ask(gateway, headers=[(b"host", b"localhost:3001"), (b"authorization", b"a"), (b"authorization", b"b")])
    assert [line.partition(b":")[0].lower() for line in api.requests[-1].strip().split(b"\r\n")[1:]] == [
        b"host", b"authorization", b"authorization",
    ]  # fmt: skip
    assert api.fields(b"host") == [b"localhost:3001"]


async def test_what_connection_names_ends_here_in_both_directions(api: Api, gateway: Starlette) -> None:
    api.headers = [(b"Connection", b"X-Hop"), (b"X-Hop", b"1"), (b"X-Kept", b"1")]
    start, _ = await ask(gateway, headers=[(b"connection", b"close, X-Mine"), (b"x-mine", b"1"), (b"x-kept", b"1")])
    assert (api.fields(b"x-mine"), api.fields(b"x-kept")) == ([], [b"1"])
    assert {b"x-hop", b"connection"}.isdisjoint(dict(start["headers"]))
    assert dict(start["headers"])[b"x-kept"] == b"1"


async def test_a_cookie_of_one_caller_does_not_reach_the_function_with_another(api: Api, gateway: Starlette) -> None:
    api.headers = [(b"Set-Cookie", b"browser=first; Path=/"), (b"Set-Cookie", b"b=2")]
    start, _ = await ask(gateway)
    assert [value for name, value in start["headers"] if name == b"set-cookie"] == [b"browser=first; Path=/", b"b=2"]
    await ask(gateway)
    assert api.fields(b"cookie") == []


async def test_no_more_instances_than_this_machine_can_start(api: Api, gateway: Starlette) -> None:
    api.gate.clear()
    asked = [asyncio.ensure_future(ask(gateway)) for _ in range(5)]
    while api.under_way < 2:
        await asyncio.sleep(0)
    api.gate.set()
    assert [messages[0]["status"] for messages in await asyncio.gather(*asked)] == [200] * 5
    assert api.most == 2


async def test_an_api_that_is_not_there_is_unavailable() -> None:
    app = create_app(GatewaySettings(api="http://127.0.0.1:1/_aws/execute-api/abc"))
    async with app.router.lifespan_context(app):
        start, body = await ask(app)
    assert (start["status"], body["body"]) == (503, b'{"message":"Service Unavailable"}')
