"""The judge of the soak: a wrong answer counts whatever happens, an honest refusal only while nothing explains it."""

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from pathlib import Path

import httpx
import pytest

from benchmarks.faults import Fault, Made, System
from benchmarks.mixed import Load, Session
from benchmarks.verdicts import Excused, Verdicts
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


def refused(words: str) -> Answer:
    return Answer(401, headers=CHALLENGE, json={"error": "invalid_token", "error_description": words})


def whoami(username: str) -> Answer:
    return Answer(200, json={"result": {"structuredContent": {"username": username}}})


async def nothing(system: System, seconds: float) -> Made:
    return {}


def fault_of(*jobs: str, says: str = "", clock: int = 0) -> Fault:
    return Fault("something", nothing, frozenset(jobs), says=says, clock=clock)


def unsigned(claims: dict[str, int]) -> str:
    return f"h.{urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.{SIGNATURE}"


async def judged(answer: Answer, job: str, *, fault: Fault | None = None, token: str = f"h.b.{SIGNATURE}") -> Verdicts:
    transport = httpx.MockTransport(lambda _: answer)
    load = Load(RUN, [ADA], transport, asyncio.Semaphore(1), "http://localhost:4/register")
    visit = Visitor(RUN, ADA, httpx.AsyncClient(transport=transport), Patience(tries=1), asyncio.Semaphore(1))
    load.sessions.append(Session(visit, {"access_token": token, "refresh_token": "r"}))
    load.dice.random = lambda: 1.0
    if fault:
        load.verdicts.begin(fault)
    await load.verdicts.judge(getattr(load, job))
    return load.verdicts


EVERYTHING = fault_of("call", "refused", "refresh", "register")


@pytest.mark.parametrize("fault", [EVERYTHING, None])
@pytest.mark.parametrize(
    ("answer", "job"),
    [
        (whoami("eve"), "call"),
        (refused("The access token claims to be issued in the future."), "call"),
        (Answer(500), "call"),
        (whoami("ada"), "refused"),
        (Answer(403), "refused"),
        (Answer(401), "refused"),
        (Answer(500, json={"error": "server_error"}), "refresh"),
        (Answer(500, json={}), "register"),
    ],
)
async def test_a_wrong_answer_is_never_excused(answer: Answer, job: str, fault: Fault | None) -> None:
    load = await judged(answer, job, fault=fault)
    assert (load.wrong.total(), load.excused.total(), load.right.total()) == (1, 0, 0)


@pytest.mark.parametrize(
    ("fault", "excused"),
    [
        (fault_of("call"), True),
        (fault_of("call", says="503"), True),
        (fault_of("call", says="429"), False),
        (fault_of("register"), False),
        (None, False),
    ],
)
async def test_an_honest_refusal_is_excused_by_a_fault_that_explains_it_and_by_nothing_else(
    fault: Fault | None, excused: bool
) -> None:
    verdicts = await judged(Answer(503, headers={"retry-after": "2"}), "call", fault=fault)
    assert (verdicts.excused.total(), verdicts.wrong.total()) == ((1, 0) if excused else (0, 1))


async def test_of_two_jobs_of_one_kind_at_work_at_once_both_are_counted() -> None:
    verdicts = Verdicts()

    async def job() -> str:
        await asyncio.sleep(0)
        return "done"

    await asyncio.gather(verdicts.judge(job), verdicts.judge(job))
    assert verdicts.right["job"] == 2


async def test_a_fault_that_was_over_before_the_job_began_excuses_nothing() -> None:
    verdicts = Verdicts()
    verdicts.begin(fault_of("job"))
    verdicts.over({"times": 1})

    async def job() -> str:
        raise Excused("503")

    await verdicts.judge(job)
    verdicts.spells[-1].ended -= 60
    await verdicts.judge(job)
    assert (verdicts.excused.total(), verdicts.wrong.total()) == (1, 1)


@pytest.mark.parametrize(
    ("clock", "since", "left", "said", "excused"),
    [
        (-300, 0, 3600, "The access token claims to be issued in the future.", True),
        (-300, 400, 3200, "The access token claims to be issued in the future.", False),
        (300, 0, 3600, "The access token claims to be issued in the future.", False),
        (300, 3400, 200, "The access token has expired.", True),
        (300, 0, 3600, "The access token has expired.", False),
        (-300, 0, 3600, "The access token is not for this server.", False),
    ],
)
async def test_a_clock_that_is_off_excuses_the_refusals_that_follow_from_it(
    clock: int, since: int, left: int, said: str, excused: bool
) -> None:
    token = unsigned({"iat": int(time.time()) - since, "exp": int(time.time()) + left})
    verdicts = await judged(refused(said), "call", fault=fault_of("call", clock=clock), token=token)
    assert (verdicts.excused.total(), verdicts.wrong.total()) == ((1, 0) if excused else (0, 1))


async def test_right_answers_count_as_such() -> None:
    assert (await judged(whoami("ada"), "call")).right.total() == 1
    assert (await judged(refused("It is no good."), "refused")).right.total() == 1
