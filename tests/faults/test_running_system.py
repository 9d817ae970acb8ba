"""Faults made on the processes of a running system, and what callers see of them."""

import asyncio
import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Generator

import httpx
import pytest

from benchmarks.faults import CALLS, REGISTRATIONS, SIGN_INS, Fault, System, disk_full, during, kill, paused
from benchmarks.faults_keys import rotate
from benchmarks.logins import make_users, several_bridges
from benchmarks.mixed import Load
from benchmarks.soak import end, registration_endpoint
from benchmarks.verdicts import Excused
from benchmarks.visitor import LoginLost, Patience, Visitor, browsers
from mcp_demo.local.ports import Ports
from mcp_demo.local.stack import Options, started

pytestmark = pytest.mark.slow
JOBS = SIGN_INS | CALLS | REGISTRATIONS


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Generator[System]:
    with started(Options(tmp_path_factory.mktemp("faults"), Ports.free())) as running:
        yield System(*running)


async def visited(system: System, transport: httpx.AsyncHTTPTransport) -> Visitor:
    http = httpx.AsyncClient(transport=transport, timeout=30)
    return Visitor(system.run, system.run.user, http, Patience(tries=1), asyncio.Semaphore(10))


async def test_logins_at_bridges_that_are_killed_and_replaced_are_neither_lost_nor_mixed(system: System) -> None:
    outcome = await several_bridges(system.run, system.processes, logins=30, count=2, kills=2, people=10)
    assert outcome.is_good, outcome.rows()
    assert (outcome.in_flight, outcome.killed) == (30, 2)


async def test_a_login_goes_on_after_bridge_and_server_are_killed_between_any_two_steps(system: System) -> None:
    async with browsers(10) as transport:
        visit = await visited(system, transport)
        page = await visit.to_the_sign_in_page()
        await kill(system, "bridge", "server")
        code = await visit.code(page)
        await kill(system, "bridge", "server")
        issued = await visit.tokens(code)
        await kill(system, "bridge", "server")
        renewed = await visit.refreshed(issued["refresh_token"])
        load = Load(system.run, [], transport, asyncio.Semaphore(10), "")
        for tokens in (issued, renewed):
            known = await load.tool(tokens["access_token"], "whoami", {})
            assert known["structuredContent"]["username"] == system.run.user.username


async def test_a_sign_in_that_a_full_disk_cannot_keep_says_so_and_works_once_there_is_room(system: System) -> None:
    async with browsers(10) as transport:
        visit = await visited(system, transport)
        page = await visit.to_the_sign_in_page()
        with disk_full(system, "domain"), pytest.raises(LoginLost, match=r"503 .*This sign-in cannot be kept"):
            await visit.code(page)
        assert await (await visited(system, transport)).log_in()


async def test_a_note_that_a_full_disk_cannot_keep_is_refused_and_the_rest_stays(system: System) -> None:
    async with browsers(10) as transport:
        visit = await visited(system, transport)
        token = (await visit.log_in())["access_token"]
        load = Load(system.run, [], transport, asyncio.Semaphore(10), "")
        await load.tool(token, "add_context", {"name": "kept", "text": "kept"})
        with disk_full(system, "server"), pytest.raises(Excused, match="nothing was changed"):
            for _ in range(9):
                await load.tool(token, "add_context", {"name": "lost", "text": "x" * 1900})
        kept = (await load.tool(token, "list_contexts", {}))["structuredContent"]["contexts"]
        assert "kept" in {context["name"] for context in kept}


async def test_while_the_registry_does_not_answer_a_sign_in_stops_with_a_reason(system: System) -> None:
    async with browsers(10) as transport:
        visit = await visited(system, transport)
        visit.client_id = "dcr_0"  # one of the table, not of the settings
        with paused(system, "aws"), pytest.raises(LoginLost, match="503 This sign-in cannot start A part of"):
            await visit.to_the_sign_in_page()
        with pytest.raises(LoginLost, match="400 We do not know this application"):
            await visit.to_the_sign_in_page()


async def test_the_issuers_keys_can_be_rotated_and_tokens_of_both_are_good(system: System) -> None:
    async with browsers(10) as transport:
        visit = await visited(system, transport)
        before = await visit.log_in()
        await asyncio.to_thread(rotate, system)
        after = await visit.refreshed(before["refresh_token"])
        load = Load(system.run, [], transport, asyncio.Semaphore(10), "")
        assert header(before["access_token"])["kid"] != header(after["access_token"])["kid"]
        for tokens in (before, after, before):
            known = await load.tool(tokens["access_token"], "whoami", {})
            assert known["structuredContent"]["username"] == system.run.user.username


def header(token: str) -> dict[str, str]:
    part = token.partition(".")[0]
    return json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))


async def test_under_load_everything_ends_within_five_seconds_and_no_answer_was_wrong(system: System) -> None:
    users = await asyncio.to_thread(make_users, system.run, 4)
    async with browsers(20) as transport:
        load = Load(system.run, users, transport, asyncio.Semaphore(20), await registration_endpoint(system.run.bridge))
        work = asyncio.create_task(load.work())
        deadline = time.monotonic() + 40
        seen = load.verdicts
        while len(seen.right) < len(JOBS) and not seen.wrong and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
        seen.begin(Fault("told to stop", during(paused), JOBS))
        seconds = await asyncio.to_thread(end, system)
        seen.stopping = True
        await asyncio.wait([work], timeout=30)
    assert not seen.wrong
    assert set(seen.right) == JOBS, seen.right
    assert seconds <= 5.0
