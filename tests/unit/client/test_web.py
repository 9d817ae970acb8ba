"""The browser clients without a browser: sessions, forms, registrations, and what their pages say."""

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from client_world import AS, PRM, RS, World
from fastapi import FastAPI

from mcp_demo.client.web.app import create_auto, create_metadata, create_static
from mcp_demo.errors import SetupError
from mcp_demo.oauth import client_metadata
from mcp_demo.settings import ClientSettings

BASE = "https://client.example"
OTHER = "https://other.example"


def settings(client_id: str | None = None, url: str = BASE) -> ClientSettings:
    return ClientSettings(client_url=url, mcp_url=RS, client_id=client_id)


class Visitor:
    """A browser with cookies that fills in forms, and signs in when it is sent away."""

    def __init__(self, http: httpx.AsyncClient, world: World) -> None:
        self._http, self._world = http, world

    async def home(self) -> str:
        return (await self._http.get("/")).text

    async def press(self, action: str, **fields: str) -> str:
        csrf = re.findall(r'name="csrf" value="([^"]+)"', await self.home())[0]
        answer = await self._http.post(action, data={"csrf": csrf, **fields})
        assert answer.status_code == 303
        return answer.headers["location"]

    async def come_back(self, url: str) -> httpx.Response:
        redirect = str(httpx.URL(url).params["redirect_uri"])
        return await self._http.get(self._world.sign_in(url, redirect))

    async def do(self, action: str, **fields: str) -> str:
        """Press a button, sign in if need be, and look at the page."""
        where = await self.press(action, **fields)
        if where != "/":
            answer = await self.come_back(where)
            assert answer.status_code == 303, answer.text
        return await self.home()


@asynccontextmanager
async def visiting(world: World, app: FastAPI) -> AsyncGenerator[Visitor]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as http:
        yield Visitor(http, world)


def auto(world: World) -> FastAPI:
    return create_auto(settings(), httpx.MockTransport(world.answer))


def static(world: World) -> FastAPI:
    return create_static(settings("given"), httpx.MockTransport(world.answer))


async def test_the_auto_client_registers_itself_once_shows_it_and_can_start_over() -> None:
    world = World()
    app = auto(world)
    async with visiting(world, app) as one, visiting(world, app) as two:
        page = await one.do("/login")
        (client_id,) = set(re.findall(r"client-\d+-x+", page))
        assert "Hello, demo" in page
        assert "My registration" in page
        assert client_id in await two.do("/login")
        assert len(world.requests("/register")) == 1
        assert "My registration" not in await one.do("/forget")
        page = await one.do("/login")
        assert client_id not in page.partition("Every hop")[0]
        assert len(world.requests("/register")) == 2


async def test_starting_over_takes_the_registration_back_at_the_server() -> None:
    managed = f"{AS}/register/me"
    world = World(registration={"registration_client_uri": managed, "registration_access_token": "rat-" + "x" * 40})
    world.override[managed] = lambda _: httpx.Response(204)
    async with visiting(world, auto(world)) as visitor:
        await visitor.do("/login")
        page = await visitor.do("/forget")
    (request,) = world.requests(managed)
    assert request.method == "DELETE"
    assert request.headers["authorization"] == "Bearer rat-" + "x" * 40
    assert "x" * 40 not in page


async def test_the_metadata_client_hosts_the_document_that_is_its_id() -> None:
    world = World(metadata={"client_id_metadata_document_supported": True, "registration_endpoint": None})
    app = create_metadata(settings(), httpx.MockTransport(world.answer))
    async with visiting(world, app) as visitor:
        assert "Hello, demo" in await visitor.do("/login")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as http:
        answer = await http.get("/client.json")
    document = answer.json()
    assert document["client_id"] == f"{BASE}/client.json"
    assert document["token_endpoint_auth_method"] == "none"
    assert "client_secret" not in document
    assert document["application_type"] == "web"
    assert document["redirect_uris"] == [f"{BASE}/callback"]
    assert client_metadata.parse(document).redirect_uris == (f"{BASE}/callback",)


async def test_the_metadata_client_never_shows_its_address_to_a_server_that_takes_none() -> None:
    world = World()
    async with visiting(world, create_metadata(settings(), httpx.MockTransport(world.answer))) as visitor:
        page = await visitor.do("/login")
    assert "client registration" in page
    assert "neither registers clients by itself nor takes metadata documents" in page
    assert not world.requests("/authorize")


async def test_adding_data_steps_up_and_then_adds() -> None:
    world = World()
    async with visiting(world, static(world)) as visitor:
        await visitor.do("/login")
        world.required = {"read", "write"}
        page = await visitor.do("/add", name="A name", text="A <b>text</b>")
    assert world.contexts == [{"name": "A name", "text": "A <b>text</b>"}]
    assert "A &lt;b&gt;text&lt;/b&gt;" in page
    assert "Data added." in page


async def test_a_form_from_elsewhere_is_refused() -> None:
    world = World()
    app = static(world)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as http:
        for fields in ({}, {"csrf": ""}, {"csrf": "guess"}):
            assert (await http.post("/login", data=fields)).status_code == 403
            await http.get("/")
    assert not world.log


@pytest.mark.parametrize(
    "query",
    ["", "?code=c", "?code=c&state=unknown", "?error=access_denied&error_description=canary&state=unknown"],
)
async def test_an_answer_that_nobody_waits_for_is_refused_and_its_words_are_not_shown(query: str) -> None:
    world = World()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(static(world)), base_url=BASE) as http:
        await http.get("/")
        answer = await http.get(f"/callback{query}")
    assert answer.status_code == 400
    assert "canary" not in answer.text
    assert not world.log


async def test_an_answer_counts_once() -> None:
    world = World()
    async with visiting(world, static(world)) as visitor:
        url = await visitor.press("/login")
        assert (await visitor.come_back(url)).status_code == 303
        assert (await visitor.come_back(url)).status_code == 400
    assert len(world.forms()) == 1


async def test_the_session_gets_a_new_name_when_somebody_signs_in() -> None:
    world = World()
    async with visiting(world, static(world)) as visitor:
        url = await visitor.press("/login")
        answer = await visitor.come_back(url)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-mcp-demo-static=")
    for attribute in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert attribute in cookie


async def test_who_planted_a_session_has_lost_it_before_somebody_signs_in_with_it() -> None:
    """Any program on another port of localhost can set our cookie, and then knows the session and its forms."""
    world = World()
    app = static(world)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as http:
        visitor = Visitor(http, world)
        await visitor.home()
        planted = dict(http.cookies)
        url = await visitor.press("/login")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE, cookies=planted) as thief:
            assert (await thief.get(world.sign_in(url, f"{BASE}/callback"))).status_code == 400
        assert (await visitor.come_back(url)).status_code == 303


async def test_forms_from_before_a_sign_in_are_worth_nothing_after_it() -> None:
    world = World()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(static(world)), base_url=BASE) as http:
        visitor = Visitor(http, world)
        (known,) = set(re.findall(r'name="csrf" value="([^"]+)"', await visitor.home()))
        await visitor.do("/login")
        answer = await http.post("/add", data={"csrf": known, "name": "n", "text": "t"})
    assert answer.status_code == 403
    assert not world.contexts


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=b", "application/x-www-form-urlencoded"])
async def test_a_form_larger_than_any_of_ours_is_not_read(kind: str) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="csrf"; filename="f"\r\n\r\n'
    sent = 0

    async def body() -> AsyncGenerator[bytes]:
        nonlocal sent
        yield head
        for _ in range(160):
            sent += 65_536
            yield b"a" * 65_536

    world = World()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(static(world)), base_url=BASE) as http:
        answer = await http.post("/login", content=body(), headers={"content-type": kind})
        declared = await http.post("/login", content=b"", headers={"content-type": kind, "content-length": "99999999"})
    assert (answer.status_code, declared.status_code) == (413, 413)


async def test_pages_say_which_layer_failed() -> None:
    def unreachable(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    cases: list[tuple[Callable[[World], None], str]] = [
        (lambda world: world.override.update({RS: unreachable}), "network"),
        (lambda world: world.override.update({PRM: lambda _: httpx.Response(404)}), "discovery"),
        (lambda world: world.metadata.update(issuer="https://evil.example"), "protocol check"),
        (lambda world: world.override.update({f"{AS}/token": lambda _: httpx.Response(502)}), "authorization server"),
        (lambda world: world.override.update({RS: lambda _: httpx.Response(500)}), "MCP server"),
    ]
    for spoil, layer in cases:
        world = World()
        spoil(world)
        async with visiting(world, static(world)) as visitor:
            page = await visitor.do("/login")
            alert = page.partition('role="alert"')[2].partition("</div>")[0]
            assert layer in alert, alert


async def test_pages_carry_neither_tokens_nor_a_way_to_run_scripts() -> None:
    world = World()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(static(world)), base_url=BASE) as http:
        visitor = Visitor(http, world)
        page = await visitor.do("/login")
        policy = (await http.get("/")).headers["content-security-policy"]
    assert not [token for token in world.tokens if token in page]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "<script" not in page
    assert " style=" not in page


def test_a_static_client_without_its_id_says_what_to_do() -> None:
    with pytest.raises(SetupError):
        create_static(settings())


async def test_a_person_chooses_where_the_mcp_server_relies_on_several_servers() -> None:
    first, second = World(), World(issuer=OTHER, serial=100)
    first.prm = second.prm = {"authorization_servers": [AS, OTHER]}

    def answer(request: httpx.Request) -> httpx.Response:
        first.tokens |= second.tokens
        return (second if str(request.url).startswith(OTHER) else first).answer(request)

    app = create_auto(settings(), httpx.MockTransport(answer))
    async with visiting(second, app) as one, visiting(first, app) as two:
        page = await one.do("/fetch")
        assert "Where do you want to sign in?" in page
        assert not first.requests(AS)
        assert "Where do you want to sign in?" in await one.do("/choose", issuer="https://evil.example")
        page = await one.do("/choose", issuer=OTHER)
        assert "MCP data fetched" in page
        assert "Where do you want to sign in?" not in page
        assert not first.requests(AS)
        assert "Where do you want to sign in?" in await two.do("/login")  # what one person chose is theirs
        assert "Signed in" in await two.do("/choose", issuer=AS)
        await one.do("/logout")
        assert "Where do you want to sign in?" in await one.do("/login")


async def test_a_client_id_given_to_us_leaves_nothing_to_choose() -> None:
    world = World(prm={"authorization_servers": [AS, OTHER]})
    async with visiting(world, static(world)) as visitor:
        assert "Hello, demo" in await visitor.do("/login")
