"""The bridge when its tables are throttled, its keys are gone, its clock is off, or the person clicks twice."""

import asyncio
import json
import secrets
from contextlib import suppress
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from bridge_kit import (
    APP,
    BRIDGE,
    WRITE,
    Clock,
    answer,
    approve,
    browser,
    code_of,
    exchange,
    request_of,
    settings,
    ticket_in,
)

from mcp_demo.bridge.app import create_app
from mcp_demo.registry.composition import FixedRegistry
from mcp_demo.registry.dynamodb import DynamoDBRegistry
from mcp_demo.registry.families import Families

TOKENS = {"access_token": "a.b.c", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "upstream"}
FIVE_MINUTES = 300


def pool(request: httpx.Request) -> httpx.Response:
    """A user pool that takes any code."""
    return httpx.Response(200, json=TOKENS)


def refresh(token: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": token, "client_id": "app"}


def failing_table(error: Exception) -> Any:
    """A client of DynamoDB, each call of which ends in this error before anything is sent."""
    client: Any = boto3.client("dynamodb", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")  # pyright: ignore[reportUnknownMemberType]

    def fail(**_: Any) -> None:
        raise error

    client.meta.events.register("before-call.dynamodb", fail)
    return client


THROTTLED = ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "GetItem")
FAILURES = [THROTTLED, ReadTimeoutError(endpoint_url="http://dynamodb")]


@pytest.mark.parametrize("error", FAILURES, ids=["throttled", "silent"])
async def test_a_table_that_cannot_be_asked_stops_a_login_with_a_reason_and_gives_nothing_out(error: Exception) -> None:
    table = failing_table(error)
    app = create_app(settings(), registry=DynamoDBRegistry(table, "clients"), families=Families(table, "families"))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BRIDGE) as visit:
        page = await visit.get("/authorize", params=request_of())
        token = await visit.post("/token", data=exchange("some-code"))
    assert page.status_code == 503
    assert "does not answer at the moment" in page.text
    assert "start again" in page.text
    assert "set-cookie" not in page.headers
    assert (token.status_code, token.json()["error"]) == (503, "temporarily_unavailable")
    assert token.headers["retry-after"]


@pytest.mark.parametrize("error", FAILURES, ids=["throttled", "silent"])
async def test_a_refresh_that_cannot_be_written_down_can_be_tried_again_with_the_same_token(error: Exception) -> None:
    async with browser(upstream=pool) as before:
        issued = (await before.post("/token", data=exchange(await code_of(before)))).json()
    shaky = Families(failing_table(error), "families")
    http = httpx.AsyncClient(transport=httpx.MockTransport(pool))
    app = create_app(settings(), registry=FixedRegistry([APP]), families=shaky, http=http)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BRIDGE) as visit:
        refused = await visit.post("/token", data=refresh(issued["refresh_token"]))
    async with browser(upstream=pool) as after:
        again = await after.post("/token", data=refresh(issued["refresh_token"]))
    assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable")
    assert "access_token" not in refused.text
    assert again.status_code == 200


@pytest.mark.parametrize("at", ["consent", "callback", "code", "refresh"])
async def test_without_its_old_keys_the_bridge_says_how_to_go_on_at_every_step(at: str) -> None:
    lost = [secrets.token_urlsafe(32)]
    async with browser(upstream=pool) as before:
        page = await before.get("/authorize", params=request_of())
        state = answer(await approve(before))["state"]
        code = await code_of(before)
        issued = (await before.post("/token", data=exchange(await code_of(before)))).json()
        cookies = before.cookies
    async with browser(upstream=pool, envelope_keys=lost, cookies=cookies) as after:
        if at == "consent":
            stopped = await after.post("/consent", data={"ticket": ticket_in(page.text), "decision": "approve"})
        elif at == "callback":
            stopped = await after.get("/callback", params={"code": "c", "state": state})
        elif at == "code":
            stopped = await after.post("/token", data=exchange(code))
        else:
            stopped = await after.post("/token", data=refresh(issued["refresh_token"]))
        anew = await code_of(after)
    assert stopped.status_code == 400
    assert "location" not in stopped.headers
    if at in ("consent", "callback"):
        assert "start the sign-in again" in stopped.text
    else:
        assert stopped.json()["error"] == "invalid_grant"  # a client signs in again on it
    assert anew


@pytest.mark.parametrize(("off", "status"), [(-FIVE_MINUTES, 200), (FIVE_MINUTES - 1, 200), (FIVE_MINUTES, 400)])
async def test_two_bridges_with_clocks_almost_five_minutes_apart_finish_each_others_logins(
    off: int, status: int
) -> None:
    clock = Clock()
    async with browser(clock=clock) as one:
        page = await one.get("/authorize", params=request_of())
        cookies = one.cookies
    async with browser(clock=lambda: clock.now + off, cookies=cookies) as other:
        form = {"ticket": ticket_in(page.text), "decision": "approve", "scope": [WRITE]}
        state, cookies = answer(await other.post("/consent", data=form))["state"], other.cookies
    async with browser(clock=clock, cookies=cookies) as one:
        code = answer(await one.get("/callback", params={"code": "c", "state": state}))["code"]
    async with browser(clock=lambda: clock.now + off, upstream=pool) as other:
        issued = await other.post("/token", data=exchange(code))
    assert issued.status_code == status
    if status == 400:  # a code lives for five minutes: to the other bridge that is over
        assert issued.json()["error"] == "invalid_grant"
        assert "expired" in issued.json()["error_description"]


async def test_a_second_click_on_allow_begins_a_login_of_its_own_and_disturbs_nothing() -> None:
    async with browser() as visit:
        page = await visit.get("/authorize", params=request_of())
        form = {"ticket": ticket_in(page.text), "decision": "approve", "scope": [WRITE]}
        states = [answer(await visit.post("/consent", data=form))["state"] for _ in range(2)]
        codes = [answer(await visit.get("/callback", params={"code": "c", "state": state})) for state in states]
    assert len(set(states)) == 2
    assert [code["state"] for code in codes] == ["client-state"] * 2
    assert len({code["code"] for code in codes}) == 2


async def test_back_to_the_consent_page_after_the_login_and_a_change_of_mind_counts() -> None:
    async with browser() as visit:
        page = await visit.get("/authorize", params=request_of())
        form = {"ticket": ticket_in(page.text), "scope": [WRITE]}
        state = answer(await visit.post("/consent", data={**form, "decision": "approve"}))["state"]
        await visit.get("/callback", params={"code": "c", "state": state})
        denied = answer(await visit.post("/consent", data={**form, "decision": "deny"}))
        reload = await visit.get("/callback", params={"code": "c", "state": state})
    assert denied["error"] == "access_denied"
    assert reload.status_code == 400
    assert "was used already" in reload.text
    assert "start the sign-in again" in reload.text


async def test_a_browser_that_keeps_no_cookie_is_told_so() -> None:
    async with browser() as visit:
        page = await visit.get("/authorize", params=request_of())
        form = {"ticket": ticket_in(page.text), "decision": "approve", "scope": [WRITE]}
        visit.cookies.clear()
        consent = await visit.post("/consent", data=form)
    async with browser() as visit:
        state = answer(await approve(visit))["state"]
        visit.cookies.clear()
        callback = await visit.get("/callback", params={"code": "c", "state": state})
    for stopped in (consent, callback):
        assert stopped.status_code == 400
        assert "cookies are switched off" in stopped.text
        assert "location" not in stopped.headers


async def test_a_crowd_waits_in_the_bridge_and_not_with_codes_that_are_spent() -> None:
    under_way, most = 0, 0
    connections: list[asyncio.Task[None] | None] = []

    async def slow_pool(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal under_way, most
        connections.append(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.partition(b":")[2]))
                under_way += 1
                most = max(most, under_way)
                await asyncio.sleep(0.05)
                under_way -= 1
                body = json.dumps(TOKENS).encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(slow_pool, "127.0.0.1", 0)
    domain = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with browser() as visit:
        codes = [await code_of(visit) for _ in range(80)]
    async with server:
        app = create_app(settings(domain=domain), registry=FixedRegistry([APP]))
        transport = httpx.ASGITransport(app=app)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url=BRIDGE) as visit:
            answers = await asyncio.gather(*(visit.post("/token", data=exchange(code)) for code in codes))
        await asyncio.gather(*(task for task in connections if task))
    assert {answer.status_code for answer in answers} == {200}
    assert most <= 16


async def test_a_user_pool_that_is_down_ends_neither_grant_nor_login() -> None:
    down = True

    def upstream(request: httpx.Request) -> httpx.Response:
        if down:
            raise httpx.ConnectError("refused", request=request)
        return pool(request)

    async with browser(upstream=upstream) as visit:
        code = await code_of(visit)
        refused = await visit.post("/token", data=exchange(code))
        down = False
        issued = await visit.post("/token", data=exchange(code))
        down = True
        busy = await visit.post("/token", data=refresh(issued.json()["refresh_token"]))
        down = False
        again = await visit.post("/token", data=refresh(issued.json()["refresh_token"]))
    for response in (refused, busy):
        assert (response.status_code, response.headers["retry-after"]) == (503, "2")
        assert "sign-in service does not answer" in response.json()["error_description"]
    assert (issued.status_code, again.status_code) == (200, 200)
