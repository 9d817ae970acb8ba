"""A stranger cannot turn the bridge on somebody: it fetches from a host, and in all, only so often."""

from collections import Counter
from contextlib import suppress

import httpx
import pytest
from bridge_kit import BRIDGE, Clock, browser, exchange, settings
from document_server import serving_documents
from joserfc.jwk import ECKey

from mcp_demo.bridge.allowance import Allowance
from mcp_demo.bridge.app import create_app
from mcp_demo.bridge.cimd import Documents
from mcp_demo.bridge.fetch import Fetched, Fetcher, FetchFailed
from mcp_demo.oauth import client_assertion
from mcp_demo.oauth.errors import InvalidClient
from mcp_demo.registry.composition import FixedRegistry
from mcp_demo.registry.model import Client


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
    """Has one document, and one set of keys, and nothing else."""

    def __init__(self, cache_control: str = "max-age=300") -> None:
        self.asked: list[str] = []
        self.has: dict[str, dict[str, object]] = {
            _APP: {"client_id": _APP, "client_name": "App", "redirect_uris": ["https://app.example/callback"]},
            _KEYS: {"keys": [_KEY.as_dict(private=False)]},
        }
        self.headers = {"cache-control": cache_control}

    async def get(self, url: str, *, max_bytes: int) -> Fetched:
        self.asked.append(url)
        if url not in self.has:
            raise FetchFailed("there is none")
        return Fetched(self.has[url], self.headers)


_APP = "https://app.example/client.json"
_KEYS = "https://app.example/keys.json"
_KEY = ECKey.generate_key("P-256", {"kid": "k1"})
_STRANGERS = ["https://app.example/{}", "https://a{}.example/x"]


async def _flood(documents: Documents, stranger: str) -> None:
    for number in range(130):
        with pytest.raises(InvalidClient):
            await documents.client(stranger.format(number))


@pytest.mark.parametrize("cache_control", ["max-age=300", "no-store"])
@pytest.mark.parametrize("stranger", _STRANGERS)
async def test_who_asks_for_what_is_not_there_shuts_out_no_client_that_was_here_before(
    stranger: str, cache_control: str
) -> None:
    clock, fetcher = _Clock(), _Fetcher(cache_control)
    documents = Documents(fetcher, clock=clock)
    assert (await documents.client(_APP)).client_name == "App"
    clock.now += 301
    await _flood(documents, stranger)
    assert (await documents.client(_APP)).client_name == "App"
    assert fetcher.asked.count(_APP) == 2


@pytest.mark.parametrize("cache_control", ["max-age=300", "no-store"])
@pytest.mark.parametrize("stranger", _STRANGERS)
async def test_nor_one_that_has_proven_itself_by_its_keys_before(stranger: str, cache_control: str) -> None:
    clock, fetcher = Clock(), _Fetcher(cache_control)
    client = Client(
        client_id="app",
        redirect_uris=("https://app.example/cb",),
        token_endpoint_auth_method="private_key_jwt",
        jwks_uri=_KEYS,
    )
    app = create_app(settings(), registry=FixedRegistry((client,)), clock=clock, fetcher=fetcher)

    async def proves(visit: httpx.AsyncClient, name: str) -> str:
        signed = client_assertion.sign(_KEY, client_id="app", issuer=BRIDGE, token_id=name, now=clock.now)
        answer = await visit.post("/token", data=exchange("bogus", **client_assertion.form(signed)))
        return str(answer.json()["error"])

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BRIDGE) as visit:
        assert await proves(visit, "once") == "invalid_grant"  # the client is known; only the code is none
        clock.now += 301
        for number in range(130):
            await visit.get("/authorize", params={"client_id": stranger.format(number)})
        assert await proves(visit, "twice") == "invalid_grant"
    assert fetcher.asked.count(_KEYS) == 2


async def test_a_place_that_nobody_proved_himself_by_has_no_turn_of_its_own() -> None:
    """Or who registers could name any number of URLs of somebody's, and have each asked for without end."""
    clock, fetcher = _Clock(), _Fetcher("no-store")
    documents = Documents(fetcher, clock=clock)
    victims = [f"https://victim.example/{number}" for number in range(100)]
    fetcher.has = {url: {"keys": []} for url in victims}
    for _ in range(10):
        clock.now += 60
        for url in victims:
            with suppress(InvalidClient):
                await documents.keys(url)
    assert len(fetcher.asked) == 10 * 20


async def test_who_describes_many_clients_of_his_own_shuts_out_none_that_is_used() -> None:
    clock, fetcher = _Clock(), _Fetcher("no-store")
    documents = Documents(fetcher, clock=clock)
    for number in range(6_000):
        if number in (0, 3_000):
            assert (await documents.client(_APP)).client_name == "App"
        clock.now += 1
        url = f"https://a{number}.example/x"
        fetcher.has[url] = fetcher.has[_APP] | {"client_id": url}
        await documents.client(url)
    await _flood(documents, "https://b{}.example/x")
    assert (await documents.client(_APP)).client_name == "App"
    assert len(documents._known) == 5_000  # pyright: ignore[reportPrivateUsage]


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
