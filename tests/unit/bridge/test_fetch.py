import ipaddress
import time
from collections.abc import Sequence

import pytest
from document_server import serving_documents

from mcp_demo.bridge.fetch import Fetched, Fetcher, FetchFailed
from mcp_demo.oauth.addresses import is_public


async def get(fetcher: Fetcher, url: str, max_bytes: int = 5120) -> Fetched:
    try:
        return await fetcher.get(url, max_bytes=max_bytes)
    finally:
        await fetcher.aclose()


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1"),
        *("0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
        *("::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::"),
    ],
)
def test_addresses_that_lead_inside_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f000001", "127.1", "[::ffff:127.0.0.1]", "169.254.169.254"],
)
async def test_no_spelling_of_an_inner_address_is_connected_to(host: str) -> None:
    async with serving_documents() as server:
        with pytest.raises(FetchFailed, match="public internet"):
            await get(Fetcher(), f"http://{host}:{server.port}/client.json")
        assert server.requests == []


async def test_a_public_looking_name_for_an_inner_address_is_not_connected_to() -> None:
    async with serving_documents() as server:
        fetcher = Fetcher(resolve=lambda host, port: ["127.0.0.1"], allow_loopback=True)
        with pytest.raises(FetchFailed, match="public internet"):
            await get(fetcher, f"http://rebound.example:{server.port}/client.json")
        assert server.requests == []


async def test_one_inner_address_among_public_ones_is_enough_to_refuse() -> None:
    fetcher = Fetcher(resolve=lambda host, port: ["8.8.8.8", "10.0.0.1"])
    with pytest.raises(FetchFailed, match="public internet"):
        await get(fetcher, "https://mixed.example/client.json")


async def test_a_name_that_changes_its_address_after_the_check_gains_nothing() -> None:
    answers: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        answers.append("192.0.0.170" if answers else "127.0.0.1")
        return [answers[-1]]

    async with serving_documents() as server:
        fetcher = Fetcher(resolve=rebinding, allow_loopback=True)
        assert (await get(fetcher, server.url)).document
    assert answers == ["127.0.0.1"]  # asked once; the connection went to what was checked


async def test_a_loopback_name_may_lead_to_this_machine_only_even_where_it_is_allowed() -> None:
    fetcher = Fetcher(resolve=lambda host, port: ["10.0.0.1"], allow_loopback=True)
    with pytest.raises(FetchFailed, match="public internet"):
        await get(fetcher, "http://localhost/client.json")


async def test_a_document_is_fetched_plainly_and_without_anything_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with serving_documents() as server:
        fetched = await get(Fetcher(allow_loopback=True), server.url)
    assert fetched.headers["content-type"] == "application/json"
    names = {line.partition(":")[0].lower() for line in server.requests[0].splitlines()[1:] if line}
    assert names == {"host", "accept", "accept-encoding", "user-agent"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    async with serving_documents() as server, serving_documents() as target:
        server.status = status
        server.headers["Location"] = target.url
        with pytest.raises(FetchFailed, match="redirects"):
            await get(Fetcher(allow_loopback=True), server.url)
        assert target.requests == []


@pytest.mark.parametrize("status", [201, 204, 401, 404, 500])
async def test_only_200_counts(status: int) -> None:
    async with serving_documents() as server:
        server.status = status
        with pytest.raises(FetchFailed, match=str(status)):
            await get(Fetcher(allow_loopback=True), server.url)


@pytest.mark.parametrize("declared", [True, False])
async def test_a_document_of_ten_megabytes_is_not_read(declared: bool) -> None:
    async with serving_documents() as server:
        server.body = b" " * 10_000_000
        if declared:
            server.headers["Content-Length"] = str(len(server.body))
        with pytest.raises(FetchFailed, match="larger than 5120"):
            await get(Fetcher(allow_loopback=True), server.url)


@pytest.mark.parametrize(("size", "good"), [(5119, True), (5120, True), (5121, False)])
async def test_the_limit_is_exact(size: int, good: bool) -> None:
    async with serving_documents() as server:
        server.body = b"1" + b" " * (size - 1)
        if good:
            assert (await get(Fetcher(allow_loopback=True), server.url)).document == 1
        else:
            with pytest.raises(FetchFailed, match="larger"):
                await get(Fetcher(allow_loopback=True), server.url)


async def test_a_server_that_drips_is_cut_off() -> None:
    async with serving_documents() as server:
        server.drip = True
        started = time.monotonic()
        with pytest.raises(FetchFailed, match="within"):
            await get(Fetcher(allow_loopback=True, seconds=0.3), server.url)
        assert time.monotonic() - started < 3


async def test_a_resolver_that_hangs_is_not_waited_for() -> None:
    def slow(host: str, port: int) -> Sequence[str]:
        time.sleep(1.0)
        return ["8.8.8.8"]

    started = time.monotonic()
    with pytest.raises(FetchFailed, match="within"):
        await get(Fetcher(resolve=slow, seconds=0.1), "https://slow.example/client.json")
    assert time.monotonic() - started < 0.9


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        ({"Content-Type": "text/html"}, b"{}", "not served as JSON"),
        ({}, b"{}", "not served as JSON"),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"{}", "compressed"),
        ({"Content-Type": "application/json"}, b"<html>", "not JSON"),
        ({"Content-Type": "application/json"}, b"\xff\xfe", "not JSON"),
        ({"Content-Type": "application/json"}, b"[" * 5000, "not JSON"),
    ],
)
async def test_what_is_not_plain_json_is_refused(headers: dict[str, str], body: bytes, reason: str) -> None:
    async with serving_documents() as server:
        server.headers, server.body = headers, body
        with pytest.raises(FetchFailed, match=reason):
            await get(Fetcher(allow_loopback=True), server.url)


async def test_a_server_that_is_not_there_is_named() -> None:
    async with serving_documents() as server:
        url = server.url
    with pytest.raises(FetchFailed, match="cannot be reached"):
        await get(Fetcher(allow_loopback=True), url)
