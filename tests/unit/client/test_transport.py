"""A server on the network cannot make the client connect to the inside of somebody's network."""

import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import httpx2
import pytest

from mcp_demo.client import transport
from mcp_demo.client.transport import AsyncGuarded, Guarded, SdkGuarded
from mcp_demo.oauth.errors import InsecureUrl

PUBLIC = "https://rs.example/mcp"
INSIDE = ["10.0.0.7", "127.0.0.1", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:192.168.0.1", "64:ff9b::7f00:1"]


class Home(BaseHTTPRequestHandler):
    """Says which name it was asked by."""

    def do_GET(self) -> None:
        body = self.headers["host"].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def home() -> Generator[int]:
    """The port of a server on this machine."""
    server = HTTPServer(("127.0.0.1", 0), Home)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def to(*addresses: str) -> transport.Resolve:
    return lambda host, port: addresses


@pytest.mark.parametrize("address", INSIDE)
async def test_a_name_that_leads_inside_is_not_connected_to(address: str, home: int) -> None:
    url = f"http://innocent.example:{home}/"
    for answer in (to(address), to("93.184.215.14", address)):
        async with httpx.AsyncClient(transport=AsyncGuarded(PUBLIC, resolve=answer)) as http:
            with pytest.raises(InsecureUrl, match=r"innocent\.example is not on the public network"):
                await http.get(url)
        async with httpx2.AsyncClient(transport=SdkGuarded(PUBLIC, resolve=answer)) as sdk:
            with pytest.raises(InsecureUrl):
                await sdk.get(url)
        with httpx.Client(transport=Guarded(PUBLIC, resolve=answer)) as http_sync, pytest.raises(InsecureUrl):
            http_sync.get(url)


async def test_a_name_is_resolved_once_and_its_address_connected_to(home: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # As if 127.0.0.1 were public: the name itself leads nowhere, so who arrives went to the address that was checked.
    monkeypatch.setattr(transport, "is_public_text", bool)
    asked: list[str] = []

    def once(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    url = f"http://innocent.invalid:{home}/"
    async with httpx.AsyncClient(transport=AsyncGuarded(PUBLIC, resolve=once)) as http:
        assert (await http.get(url)).text == f"innocent.invalid:{home}"
    async with httpx2.AsyncClient(transport=SdkGuarded(PUBLIC, resolve=once)) as sdk:
        assert (await sdk.get(url)).text == f"innocent.invalid:{home}"
    with httpx.Client(transport=Guarded(PUBLIC, resolve=once)) as http_sync:
        assert http_sync.get(url).text == f"innocent.invalid:{home}"
    assert asked == ["innocent.invalid"] * 3


async def test_a_server_on_this_machine_may_name_others_on_it(home: int) -> None:
    async with httpx.AsyncClient(transport=AsyncGuarded("http://localhost:3001/mcp")) as http:
        assert (await http.get(f"http://127.0.0.1:{home}/")).status_code == 200


def test_the_server_that_the_person_named_may_be_anywhere(home: int) -> None:
    with httpx.Client(transport=Guarded(f"http://127.0.0.1:{home}/mcp", resolve=to())) as http:
        assert http.get(f"http://127.0.0.1:{home}/").status_code == 200


async def test_a_name_that_does_not_resolve_is_a_connection_that_fails() -> None:
    def nowhere(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    async with httpx.AsyncClient(transport=AsyncGuarded(PUBLIC, resolve=nowhere)) as http:
        with pytest.raises(httpx.ConnectError, match="no such name"):
            await http.get("https://as.example/")


def test_the_clients_of_this_package_are_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with transport.open_sync(PUBLIC) as http, pytest.raises(InsecureUrl):
        http.get("http://127.0.0.1:9/")
