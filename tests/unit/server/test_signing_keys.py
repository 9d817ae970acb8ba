"""The key cache: rotation, outage, hammering, and documents that are not what they should be."""

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, RSAKey
from server_kit import NOW, Issuer, Running, bearer, running

from mcp_demo.server.keys import MAX_DOCUMENT, MAX_KEYS, KeysUnavailable, SigningKeys, read_keys

GOOD = Issuer().key.as_dict(private=False)
GOODS = {"keys": [GOOD]}
URI = "https://issuer.example/jwks.json"


class Clock:
    """A monotonic clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Cache:
    """The cache on an issuer of our own."""

    def __init__(self, **options: Any) -> None:
        self.issuer = Issuer()
        self.clock = Clock()
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(self.issuer.answer))
        self.keys = SigningKeys(URI, self.http, clock=self.clock, **options)


@pytest.fixture
async def cache() -> AsyncGenerator[Cache]:
    found = Cache()
    yield found
    await found.keys.close()
    await found.http.aclose()


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_keys_are_fetched_when_needed_and_then_kept(cache: Cache) -> None:
    assert cache.issuer.asked == 0
    for _ in range(5):
        assert await cache.keys.get("key-0") is not None
    assert cache.issuer.asked == 1


async def test_a_rotation_is_picked_up_at_once(cache: Cache) -> None:
    assert await cache.keys.get("key-0") is not None
    cache.issuer.rotate()
    assert await cache.keys.get("key-1") is not None
    assert await cache.keys.get("key-0") is None


async def test_known_keys_work_while_the_issuer_is_unreachable(cache: Cache) -> None:
    await cache.keys.get("key-0")
    cache.issuer.reachable = False
    cache.clock.now += 1_000_000
    for _ in range(5):
        assert await cache.keys.get("key-0") is not None
        with pytest.raises(KeysUnavailable):
            await cache.keys.get("unheard-of")
    assert await cache.keys.get("key-0") is not None


async def test_without_keys_nothing_can_be_said(cache: Cache) -> None:
    cache.issuer.reachable = False
    with pytest.raises(KeysUnavailable):
        await cache.keys.get("key-0")
    cache.issuer.reachable = True
    assert await cache.keys.get("key-0") is not None


async def test_unknown_key_ids_cannot_hammer_the_issuer(cache: Cache) -> None:
    await cache.keys.get("key-0")
    for number in range(50):
        assert await cache.keys.get(f"made-up-{number}") is None
    assert cache.issuer.asked == 3


async def test_an_outage_is_not_hammered_either(cache: Cache) -> None:
    cache.issuer.reachable = False
    for number in range(50):
        with pytest.raises(KeysUnavailable):
            await cache.keys.get(f"made-up-{number}")
    assert cache.issuer.asked == 3


@pytest.mark.parametrize(("seconds", "asked"), [(9.9, 3), (10, 4), (10.1, 4), (1000, 6)])
async def test_the_ration_comes_back_with_time_up_to_the_burst(cache: Cache, seconds: float, asked: int) -> None:
    for number in range(10):
        await cache.keys.get(f"made-up-{number}")
    assert cache.issuer.asked == 3
    cache.clock.now += seconds
    for number in range(10):
        await cache.keys.get(f"made-up-{number}")
    assert cache.issuer.asked == asked


async def test_after_hammering_a_rotation_is_noticed_within_the_interval(cache: Cache) -> None:
    for number in range(50):
        await cache.keys.get(f"made-up-{number}")
    cache.issuer.rotate()
    assert await cache.keys.get("key-1") is None
    cache.clock.now += 10
    assert await cache.keys.get("key-1") is not None


async def test_those_who_wait_for_the_same_answer_share_one_request(cache: Cache) -> None:
    release = asyncio.Event()

    async def slow(request: httpx.Request) -> httpx.Response:
        await release.wait()
        return cache.issuer.answer(request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(slow)) as http:
        keys = SigningKeys(URI, http)
        waiting = [asyncio.create_task(keys.get(name)) for name in ("key-0", "key-0", "unknown") for _ in range(20)]
        await asyncio.sleep(0)
        release.set()
        found = await asyncio.gather(*waiting)
    assert sum(key is not None for key in found) == 40
    assert cache.issuer.asked == 1


async def test_a_caller_who_leaves_does_not_leave_the_others_waiting(cache: Cache) -> None:
    entered = asyncio.Event()

    async def first_hangs(request: httpx.Request) -> httpx.Response:
        if not entered.is_set():
            entered.set()
            await asyncio.Event().wait()
        return cache.issuer.answer(request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(first_hangs)) as http:
        keys = SigningKeys(URI, http)
        first, second = asyncio.create_task(keys.get("key-0")), asyncio.create_task(keys.get("key-0"))
        await entered.wait()
        first.cancel()
        assert await second is not None


async def test_an_issuer_that_never_answers_is_given_up(cache: Cache) -> None:
    async def hang(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with httpx.AsyncClient(transport=httpx.MockTransport(hang)) as http:
        async with asyncio.timeout(5):
            with pytest.raises(KeysUnavailable):
                await SigningKeys(URI, http, timeout=0.01).get("key-0")


@pytest.mark.parametrize(("age", "asked"), [(3600, 1), (3601, 2)])
async def test_an_old_set_is_renewed_beside_the_requests(cache: Cache, age: float, asked: int) -> None:
    await cache.keys.get("key-0")
    cache.issuer.rotate()
    cache.clock.now += age
    assert await cache.keys.get("key-0") is not None  # this request does not wait
    await until(lambda: cache.issuer.asked == asked)


async def test_a_withdrawn_key_is_dropped_by_the_renewal(cache: Cache) -> None:
    await cache.keys.get("key-0")
    cache.issuer.rotate()
    cache.clock.now += 3601
    await cache.keys.get("key-0")
    await until(lambda: cache.issuer.asked == 2)
    for _ in range(10):
        await asyncio.sleep(0)
    assert await cache.keys.get("key-0") is None


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(404, json={"keys": [GOOD]}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"keys": []}),
        httpx.Response(200, json=[GOOD]),
        httpx.Response(200, content=b'{"keys":' + b"[" * 20_000),
        httpx.Response(200, json={"keys": [GOOD], "x": "y" * MAX_DOCUMENT}),
    ],
)
async def test_a_bad_answer_is_an_outage_and_does_not_drop_the_keys_we_have(
    cache: Cache, answer: httpx.Response
) -> None:
    answers = [httpx.Response(200, json={"keys": [GOOD]}), answer]
    transport = httpx.MockTransport(lambda _: answers.pop(0) if answers else answer)
    async with httpx.AsyncClient(transport=transport, follow_redirects=True) as http:
        keys = SigningKeys(URI, http)
        assert await keys.get("key-0") is not None
        with pytest.raises(KeysUnavailable):
            await keys.get("other")
        assert await keys.get("key-0") is not None


async def test_a_redirect_is_not_followed_even_by_a_client_that_would() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        elsewhere = {"location": "https://evil.example/jwks.json"}
        return httpx.Response(302, headers=elsewhere) if str(request.url) == URI else httpx.Response(200, json=GOODS)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), follow_redirects=True) as http:
        with pytest.raises(KeysUnavailable):
            await SigningKeys(URI, http).get("key-0")


def document(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


@pytest.mark.parametrize(
    "change",
    [
        {"use": "enc"},
        {"kty": "oct"},
        {"kty": None},
        {"alg": "RS512"},
        {"alg": "HS256"},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"kid": None},
        {"kid": 7},
        {"n": "AQAB"},
        {"n": "!!"},
        {"n": 5},
        {"e": None},
    ],
)
def test_keys_for_other_uses_are_left_out(change: dict[str, object]) -> None:
    changed = {**GOOD, "kid": "changed", **change}
    assert list(read_keys(document(changed, GOOD))) == ["key-0"]


def test_what_is_no_rsa_key_is_left_out() -> None:
    curve = ECKey.generate_key("P-256", {"kid": "curve"}).as_dict(private=False)
    assert list(read_keys(document(curve, "text", None, 1, [], GOOD))) == ["key-0"]


def test_a_key_of_fewer_than_2048_bits_is_left_out() -> None:
    modulus = (1 << 1023 | 1).to_bytes(128, "big")
    short = {**GOOD, "kid": "short", "n": urlsafe_b64encode(modulus).rstrip(b"=").decode()}
    assert list(read_keys(document(short, GOOD))) == ["key-0"]


def test_of_a_key_only_its_public_part_is_kept() -> None:
    private = RSAKey.generate_key(2048, {"kid": "careless"}, private=True).as_dict(private=True)
    assert not read_keys(document(private))["careless"].is_private


def test_only_so_many_keys_are_looked_at() -> None:
    many = [{**GOOD, "kid": str(number)} for number in range(MAX_KEYS + 5)]
    assert len(read_keys(document(*many))) == MAX_KEYS


@pytest.fixture
async def server() -> AsyncGenerator[Running]:
    async with running() as found:
        yield found


async def test_unavailable_keys_refuse_the_request_but_not_the_token(server: Running) -> None:
    server.issuer.reachable = False
    response = await server.call(token=server.issuer.token())
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert "www-authenticate" not in response.headers
    assert "result" not in response.json()
    server.issuer.reachable = True
    assert (await server.call(token=server.issuer.token())).status_code == 200


async def test_a_server_that_knows_the_keys_outlives_an_outage_and_a_rotation(server: Running) -> None:
    token = server.issuer.token()
    assert (await server.call(token=token)).status_code == 200
    server.issuer.reachable = False
    assert (await server.call(token=token)).status_code == 200
    server.issuer.reachable = True
    server.issuer.rotate()
    assert (await server.call(token=server.issuer.token())).status_code == 200
    assert bearer(await server.call(token=token)).parameters["error"] == "invalid_token"


async def test_tokens_of_strangers_fetch_no_key(server: Running) -> None:
    tokens = [server.issuer.token(iss="https://evil.example"), "a.b.c", server.issuer.token({"kid": "x" * 257})]
    for token in tokens:
        assert (await server.call(token=token)).status_code == 401
    assert server.issuer.asked == 0


async def test_hostile_key_ids_fetch_the_keys_a_few_times_and_nothing_else(server: Running) -> None:
    hostile = ["../../../../dev/null", "' OR 1=1 --", "https://evil.example/jwks.json", *(str(n) for n in range(50))]
    for key_id in hostile:
        response = await server.call(token=server.issuer.token({"kid": key_id}, exp=NOW + 60))
        assert response.status_code == 401
    assert server.issuer.asked <= 3
