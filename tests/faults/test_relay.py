"""The relay of the soak: what it passes on is what was sent, and what it withholds is what the rule says."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest

from benchmarks.relay import Relay, Rule, answer, relaying
from mcp_demo.local.ministack import free_port


@asynccontextmanager
async def relayed() -> AsyncGenerator[tuple[Relay, httpx.AsyncClient]]:
    """An echo of bodies behind a relay."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = next(
                (int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"), 0
            )
            if b"hang up" in head:
                break
            writer.write(answer("200 OK", await reader.readexactly(length), "text/plain"))
        writer.close()

    behind, port = free_port(), free_port()
    async with (
        await asyncio.start_server(echo, "127.0.0.1", behind),
        relaying(port, behind) as relay,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5) as http,
    ):
        yield relay, http


async def test_requests_pass_whole_and_one_after_the_other() -> None:
    async with relayed() as (_, http):
        for body in (b"", b"one", b"x" * 1_000_000):
            assert (await http.post("/", content=body)).content == body


async def test_a_rule_answers_what_it_is_meant_for_in_turn_and_counts() -> None:
    refusals = (("429", answer("429 Too Many Requests", b"", retry_after="1")), ("404", answer("404 Not Found", b"")))
    async with relayed() as (relay, http):
        assert (await http.post("/this", content=b"passed")).text == "passed"
        with relay.by(Rule(lambda head: head.path == "/this", refusals)) as rule:
            said = [await http.post("/this", content=b"body") for _ in range(3)]
            assert (await http.post("/that", content=b"passed")).text == "passed"
        assert (await http.post("/this", content=b"passed")).text == "passed"
    assert [answered.status_code for answered in said] == [429, 404, 429]
    assert said[0].headers["retry-after"] == "1"
    assert rule.made == {"429": 2, "404": 1}


async def test_who_is_not_answered_is_cut_off_when_the_fault_is_over() -> None:
    async with relayed() as (relay, http):
        with relay.by(Rule(lambda head: True)) as rule:
            waiting = asyncio.ensure_future(http.get("/"))
            while not rule.made:
                await asyncio.sleep(0)
            assert not waiting.done()
        with pytest.raises(httpx.TransportError):
            await waiting


async def test_a_connection_that_is_cut_behind_is_cut_in_front() -> None:
    async with relayed() as (relay, http):
        with pytest.raises(httpx.TransportError):
            await http.get("/", headers={"x": "hang up"})
        relay.behind = free_port()
        with pytest.raises(httpx.TransportError):
            await http.get("/", headers={"connection": "close"})
