"""The faces for httpx and httpx2: one authorization however many requests, in asyncio and in threads."""

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import httpx2
import pytest
from client_world import AS, REDIRECT, RS, World
from joserfc.jwk import ECKey

from mcp_demo.client.auth import OAuth, SdkOAuth
from mcp_demo.client.drive import SignInWay
from mcp_demo.client.engine import Engine
from mcp_demo.client.errors import SignInFailed, SignInNeeded
from mcp_demo.client.registration import Identity
from mcp_demo.client.storage import Vault
from mcp_demo.exchange.model import Exchange

MANY = 100
KEY = ECKey.generate_key("P-256", private=True)


def oauth(sign_in: SignInWay | None, vault: Vault | None = None, **more: Any) -> OAuth:
    return OAuth(Engine(RS, Identity(), REDIRECT, vault), sign_in, **more)


def client(world: World, auth: OAuth) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.MockTransport(world.answer), auth=auth)


async def test_a_hundred_coroutines_cause_one_authorization_and_one_refresh() -> None:
    world = World()
    async with client(world, oauth(world.sign_in)) as http:
        answers = await asyncio.gather(*(http.post(RS, json={}) for _ in range(MANY)))
        assert {answer.status_code for answer in answers} == {200}
        assert len(world.requests("/authorize")) == 1
        assert len(world.requests("/register")) == 1
        world.expire()
        answers = await asyncio.gather(*(http.post(RS, json={}) for _ in range(MANY)))
    assert {answer.status_code for answer in answers} == {200}
    assert [form["grant_type"] for form in world.forms()] == ["authorization_code", "refresh_token"]


async def test_a_hundred_coroutines_with_a_token_at_its_end_cause_one_refresh() -> None:
    world, vault, now = World(lifetime=100), Vault(), [0.0]
    auth = OAuth(Engine(RS, Identity(), REDIRECT, vault, clock=lambda: now[0]), world.sign_in)
    async with client(world, auth) as http:
        await http.post(RS)
        now[0] = 80.0
        await asyncio.gather(*(http.post(RS) for _ in range(MANY)))
    assert [form["grant_type"] for form in world.forms()] == ["authorization_code", "refresh_token"]


@pytest.mark.parametrize("identity", [Identity(), Identity(dpop_key=KEY)], ids=["bearer", "dpop"])
async def test_a_failed_sign_in_fails_all_who_waited_and_is_not_repeated_for_each(identity: Identity) -> None:
    world, opened = World(), list[str]()

    async def refuse(url: str) -> str:
        opened.append(url)
        await asyncio.sleep(0)
        raise SignInFailed("Nobody came.")

    async with client(world, OAuth(Engine(RS, identity, REDIRECT), lambda url, _: refuse(url))) as http:
        results = await asyncio.gather(*(http.post(RS) for _ in range(MANY)), return_exceptions=True)
        assert all(isinstance(result, SignInFailed) for result in results)
        assert len(opened) == 1
        with pytest.raises(SignInFailed):
            await http.post(RS)
    assert len(opened) == 2


async def test_a_cancelled_authorization_lets_the_next_one_through() -> None:
    world, hung = World(), asyncio.Event()

    async def hang(url: str) -> str:
        hung.set()
        return await asyncio.Future[str]()

    auth = oauth(lambda url, _: hang(url))
    async with client(world, auth) as http:
        task = asyncio.create_task(http.post(RS))
        await hung.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        second = oauth(world.sign_in)
        auth._sign_in = second._sign_in  # pyright: ignore[reportPrivateUsage] - as if the person were there now
        assert (await http.post(RS)).status_code == 200


def test_threads_share_one_authorization() -> None:
    world = World()
    http = httpx.Client(transport=httpx.MockTransport(world.answer), auth=oauth(world.sign_in))
    with http, ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(http.post, RS, json={"a": 1}) for _ in range(24)]
    assert {answer.result().status_code for answer in answers} == {200}
    assert len(world.requests("/authorize")) == 1


async def test_other_urls_get_neither_token_nor_treatment() -> None:
    world = World()
    other = "https://other.example/mcp"
    world.override[other] = lambda _: httpx.Response(401, headers={"www-authenticate": "Bearer"})
    async with client(world, oauth(world.sign_in)) as http:
        assert (await http.post(RS)).status_code == 200
        for url in (other, "https://rs.example/mcp-other", "https://rs.example:444/mcp", "http://rs.example/mcp"):
            await http.post(url)
    assert not [r for r in world.log if "authorization" in r.headers and str(r.url) not in (RS, f"{AS}/token")]


async def test_a_redirect_to_another_server_does_not_carry_the_token_along() -> None:
    world = World()
    async with client(world, oauth(world.sign_in)) as http:
        assert (await http.post(RS)).status_code == 200
        world.override[RS] = lambda _: httpx.Response(307, headers={"location": "https://evil.example/mcp"})
        await http.post(RS, follow_redirects=True)
    assert world.requests("evil.example")
    assert not [request for request in world.requests("evil.example") if "authorization" in request.headers]


async def test_without_a_way_to_sign_in_the_caller_is_told() -> None:
    world = World()
    async with client(world, oauth(None)) as http:
        with pytest.raises(SignInNeeded):
            await http.post(RS)


async def test_a_streamed_response_stays_a_stream_and_every_exchange_is_recorded() -> None:
    world, seen = World(), list[Exchange]()

    async def events() -> AsyncGenerator[bytes]:
        yield b"data: 1"

    async with client(world, oauth(world.sign_in, record=seen.append)) as http:
        await http.post(RS)
        assert [exchange.response.status for exchange in seen if exchange.response] == [401, 200, 200, 201, 200, 200]
        world.override[RS] = lambda _: httpx.Response(200, content=events())
        async with http.stream("POST", RS) as response:
            assert not response.is_closed
            assert await response.aread() == b"data: 1"
    assert len(seen) == 7


async def test_the_sdks_http_library_is_served_by_the_same_engine() -> None:
    world = World()

    def answer(request: httpx2.Request) -> httpx2.Response:
        headers = list(request.headers.multi_items())
        sent = httpx.Request(request.method, str(request.url), headers=headers, content=request.content)
        got = world.answer(sent)
        return httpx2.Response(got.status_code, headers=got.headers.multi_items(), content=got.content)

    auth = SdkOAuth(Engine(RS, Identity(), REDIRECT), world.sign_in)
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer), auth=auth) as http:
        answers = await asyncio.gather(*(http.post(RS, json={}) for _ in range(10)))
    assert {each.status_code for each in answers} == {200}
    assert len(world.requests("/authorize")) == 1
