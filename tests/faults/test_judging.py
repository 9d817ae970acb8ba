"""The judge of the soak: a wrong answer counts whatever happens, an honest refusal only while nothing explains it."""

import asyncio
from pathlib import Path

import httpx
import pytest

from benchmarks.mixed import Load, Session
from benchmarks.visitor import Patience, Visitor
from mcp_demo.deploy.users import User
from mcp_demo.local.state import Run

ADA = User("ada", "unused")
RUN = Run(
    server="http://localhost:1/mcp",
    bridge="http://localhost:2",
    clients={"static": "http://localhost:3"},
    domain="",
    aws="",
    user=ADA,
    audience="resource",
    issuer="",
    jwks_uri="",
    state=Path(),
    client_id="c",
    pids={},
)
SIGNATURE = "s" * 60
Answer = httpx.Response
CHALLENGE = {"www-authenticate": 'Bearer resource_metadata="x"'}


def whoami(username: str) -> Answer:
    return Answer(200, json={"result": {"structuredContent": {"username": username}}})


async def judged(answer: Answer, job: str, *, fault: bool) -> Load:
    transport = httpx.MockTransport(lambda _: answer)
    load = Load(RUN, [ADA], transport, asyncio.Semaphore(1), "http://localhost:4/register")
    visit = Visitor(RUN, ADA, httpx.AsyncClient(transport=transport), Patience(tries=1), asyncio.Semaphore(1))
    load.sessions.append(Session(visit, {"access_token": f"h.b.{SIGNATURE}", "refresh_token": "r"}))
    if fault:
        load.begin("something")
    await load.judge(getattr(load, job))
    return load


@pytest.mark.parametrize("fault", [True, False])
@pytest.mark.parametrize(
    ("answer", "job"),
    [
        (whoami("eve"), "call"),
        (Answer(401, headers=CHALLENGE), "call"),
        (Answer(500), "call"),
        (whoami("ada"), "refused"),
        (Answer(403), "refused"),
        (Answer(401), "refused"),
        (Answer(500, json={"error": "server_error"}), "refresh"),
        (Answer(500, json={}), "register"),
    ],
)
async def test_a_wrong_answer_is_never_excused(answer: Answer, job: str, fault: bool) -> None:
    load = await judged(answer, job, fault=fault)
    assert (load.wrong.total(), load.excused.total(), load.right.total()) == (1, 0, 0)


@pytest.mark.parametrize("fault", [True, False])
async def test_an_honest_refusal_is_excused_by_a_fault_and_by_nothing_else(fault: bool) -> None:
    for answer in (Answer(503, headers={"retry-after": "2"}), Answer(429)):
        load = await judged(answer, "call", fault=fault)
        assert (load.excused.total(), load.wrong.total()) == ((1, 0) if fault else (0, 1))


async def test_right_answers_count_as_such() -> None:
    assert (await judged(whoami("ada"), "call", fault=False)).right.total() == 1
    assert (await judged(Answer(401, headers=CHALLENGE), "refused", fault=False)).right.total() == 1
