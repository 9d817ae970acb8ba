"""A stranger cannot turn the bridge on somebody: it fetches from a host, and in all, only so often."""

from collections import Counter

import pytest
from bridge_kit import browser
from document_server import serving_documents

from mcp_demo.bridge.allowance import Allowance
from mcp_demo.bridge.cimd import Documents
from mcp_demo.bridge.fetch import Fetched, Fetcher, FetchFailed
from mcp_demo.oauth.errors import InvalidClient


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_host_is_asked_twenty_times_a_minute_however_it_is_written() -> None:
    clock = _Clock()
    allowance = Allowance(clock)
    assert [allowance.take(name) for name in ("Victim.example", "victim.example.") * 10] == [True] * 20
    assert not allowance.take("victim.example")
    assert allowance.take("other.example")
    clock.now += 59.9
    assert not allowance.take("victim.example")
    clock.now += 0.1
    assert allowance.take("victim.example")


def test_all_hosts_together_are_asked_so_often_and_no_name_is_kept_longer() -> None:
    clock = _Clock()
    allowance = Allowance(clock)
    taken = Counter(allowance.take(f"host{number}.example") for number in range(1000))
    assert taken == {True: 120, False: 880}
    clock.now += 60
    assert allowance.take("host1.example")
    assert len(allowance._recent) == 1  # pyright: ignore[reportPrivateUsage]


async def test_a_flood_of_client_ids_reaches_a_host_twenty_times() -> None:
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["10.0.0.1"]  # refused before anything is sent

    clock = _Clock()
    documents = Documents(Fetcher(resolve=resolve), clock=clock)
    refusals: list[InvalidClient] = []
    for number in range(50):
        with pytest.raises(InvalidClient) as refused:
            url = f"https://victim.example/{number}.json"
            await (documents.client(url) if number % 2 else documents.keys(url))
        refusals.append(refused.value)
    assert asked == ["victim.example"] * 20
    assert Counter(refusal.status for refusal in refusals) == {400: 20, 429: 30}
    assert "Try again in a minute" in refusals[-1].description
    clock.now += 60
    with pytest.raises(InvalidClient) as again:
        await documents.client("https://victim.example/a.json")
    assert again.value.status == 400


async def test_the_page_says_so_with_its_status() -> None:
    async with browser() as visit:
        pages = [
            await visit.get("/authorize", params={"client_id": f"https://10.0.0.1/{number}.json"})
            for number in range(21)
        ]
    assert [page.status_code for page in pages] == [400] * 20 + [429]
    assert "asked for too often" in pages[-1].text


async def test_what_is_kept_needs_no_allowance_and_this_machine_none_either() -> None:
    async with serving_documents() as server:
        documents = Documents(Fetcher(allow_loopback=True), allow_loopback=True)
        for _ in range(30):
            await documents.client(server.url)
        assert len(server.requests) == 1
        server.headers["Cache-Control"] = "no-store"
        fresh = Documents(Fetcher(allow_loopback=True), allow_loopback=True)
        for _ in range(30):
            await fresh.client(server.url)
        assert len(server.requests) == 31


class _Fetcher(Fetcher):
    """Has one document, and nothing else."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.has = {_APP}

    async def get(self, url: str, *, max_bytes: int) -> Fetched:
        self.asked.append(url)
        if url not in self.has:
            raise FetchFailed("there is none")
        document = {"client_id": url, "client_name": "App", "redirect_uris": ["https://app.example/callback"]}
        return Fetched(document, {"cache-control": "max-age=300"})


_APP = "https://app.example/client.json"


@pytest.mark.parametrize("stranger", ["https://app.example/{}", "https://a{}.example/x"])
async def test_who_asks_for_what_is_not_there_shuts_out_no_client_that_was_here_before(stranger: str) -> None:
    clock, fetcher = _Clock(), _Fetcher()
    documents = Documents(fetcher, clock=clock)
    assert (await documents.client(_APP)).client_name == "App"
    clock.now += 301
    for number in range(130):
        with pytest.raises(InvalidClient):
            await documents.client(stranger.format(number))
    assert (await documents.client(_APP)).client_name == "App"
    assert fetcher.asked.count(_APP) == 2


async def test_what_was_good_before_has_one_turn_and_then_the_allowance_of_its_host() -> None:
    clock, fetcher = _Clock(), _Fetcher()
    documents = Documents(fetcher, clock=clock)
    await documents.client(_APP)
    clock.now += 301
    fetcher.has.clear()
    for _ in range(50):
        with pytest.raises(InvalidClient):
            await documents.client(_APP)
    assert len(fetcher.asked) == 1 + 1 + 20
