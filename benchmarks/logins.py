"""Logins in flight at several bridge processes behind one address, some of which are killed and replaced meanwhile.

All logins pass the consent page before the first of them signs in, so that all are in flight at once. Each ends with a
token, and every token is the one of the person, request and client that began it.

    python -m benchmarks logins --logins 1000 --bridges 3 --kills 6
"""

import argparse
import asyncio
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx

from benchmarks.balancer import Balancer, balancing
from benchmarks.pages import write
from benchmarks.report import machine, table
from benchmarks.visitor import LoginLost, Patience, Visitor, browsers, claims_of
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.users import User, make_password
from mcp_demo.local import children
from mcp_demo.local.children import Child, Part
from mcp_demo.local.ministack import free_port
from mcp_demo.local.ports import Ports
from mcp_demo.local.stack import Options, Processes, started
from mcp_demo.local.state import Run

_FACTORY = "mcp_demo.bridge.app:create_app"
_AT_ONCE = 150
_LOGINS_OF_ONE = 4  # after five attempts at once a name is locked, as with Cognito


@dataclass
class Outcome:
    """What came of them.

    Attributes:
        logins: How many were begun.
        in_flight: How many of them were under way at once.
        at_once: Ended with a token without anybody noticing anything.
        repeated: Ended with a token, some requests having been sent twice since a connection was cut.
        begun_again: Ended with a token after a second start, for the cut came between spending a code and its answer.
        lost: Ended without a token, or had to begin again though nothing was cut: reasons.
        mixed: Tokens that are not those of their login: reasons.
        seconds: From the sign-in page to the token, of each.
    """

    logins: int = 0
    in_flight: int = 0
    at_once: int = 0
    repeated: int = 0
    begun_again: int = 0
    lost: Counter[str] = field(default_factory=Counter[str])
    mixed: Counter[str] = field(default_factory=Counter[str])
    seen: Counter[str] = field(default_factory=Counter[str])
    seconds: list[float] = field(default_factory=list[float])
    killed: int = 0

    @property
    def is_good(self) -> bool:
        """Whether none is lost or mixed."""
        ended = self.at_once + self.repeated + self.begun_again
        return ended == self.logins and not self.lost and not self.mixed

    def rows(self) -> list[tuple[str, str]]:
        """The table."""
        cuts = quantiles(self.seconds, n=100) if len(self.seconds) > 1 else [0.0] * 99
        return [
            ("logins, all past consent before the first signs in", f"{self.logins:,}"),
            ("of them in flight at once", f"{self.in_flight:,}"),
            ("bridges killed with SIGKILL and replaced meanwhile", f"{self.killed}"),
            ("ended with their token, nothing noticed", f"{self.at_once:,}"),
            ("… after a request was sent again, its connection having been cut", f"{self.repeated:,}"),
            ("… after a new sign-in, cut between code and answer", f"{self.begun_again:,}"),
            ("lost, or begun again though nothing was cut", f"{self.lost.total()} {dict(self.lost) or ''}".strip()),
            (
                "mixed: state, issuer, person, audience, `jti` or refresh token of another login",
                f"{self.mixed.total()} {dict(self.mixed) or ''}".strip(),
            ),
            ("noticed by clients", ", ".join(f"{n} × {what}" for what, n in sorted(self.seen.items())) or "nothing"),
            ("from sign-in page to token, median and p99", f"{cuts[49]:.1f} s, {cuts[98]:.1f} s"),
        ]


@dataclass
class Bridges:
    """The processes behind the balancer; all read the settings of the one they stand in for.

    Args:
        run: The system.
        balancer: What stands in front of them.
    """

    run: Run
    balancer: Balancer
    living: deque[Child] = field(default_factory=deque[Child])
    count: int = 0

    async def add(self) -> None:
        """Start one more, and let it take part once it answers."""
        self.count += 1
        name, folder = f"bridge-{self.count}", self.run.state / "env"
        shutil.copy(folder / "bridge.env", folder / f"{name}.env")
        child = Child(Part(name, _FACTORY, free_port()), self.run.state, folder)
        await asyncio.to_thread(children.wait_until_healthy, [child])
        self.living.append(child)
        self.balancer.behind.append(child.part.port)

    async def kill(self) -> None:
        """Kill the oldest, connections and all; nobody is told. Its successor is started first."""
        await self.add()
        child = self.living.popleft()
        os.kill(child.process.pid, signal.SIGKILL)
        await asyncio.to_thread(children.stop, [child])
        self.balancer.behind.remove(child.part.port)


def make_users(run: Run, count: int) -> list[User]:
    """People of the pool, all with one password of this run."""
    cognito = Profile.local(run.aws).cognito()
    pool, password, mark = run.issuer.rpartition("/")[2], make_password(), secrets.token_hex(3)
    users = [User(f"visitor-{mark}-{number}", password) for number in range(count)]
    for user in users:
        cognito.admin_create_user(UserPoolId=pool, Username=user.username, MessageAction="SUPPRESS")
        cognito.admin_set_user_password(UserPoolId=pool, Username=user.username, Password=password, Permanent=True)
    return users


async def login_storm(run: Run, users: Sequence[User], logins: int, bridges: Bridges | None, kills: int) -> Outcome:
    """Begin all logins, then end all of them; `kills` bridges are killed and replaced, half of them in each half."""
    outcome, transport, gate = Outcome(logins), browsers(_AT_ONCE), asyncio.Semaphore(_AT_ONCE)
    async with transport:
        visits = [_visitor(run, users[number % len(users)], transport, gate) for number in range(logins)]
        begun = await _meanwhile(_all(_begin(visit) for visit in visits), bridges, kills // 2, outcome)
        outcome.in_flight = sum(isinstance(page, httpx.Response) for page in begun)
        ends = (_end(visit, page, transport, outcome) for visit, page in zip(visits, begun, strict=True))
        tokens = await _meanwhile(_all(ends), bridges, kills - kills // 2, outcome)
    for visit in visits:
        outcome.seen += visit.patience.seen
    _compare([token for token in tokens if token], outcome)
    return outcome


def _visitor(run: Run, user: User, transport: httpx.AsyncHTTPTransport, gate: asyncio.Semaphore) -> Visitor:
    return Visitor(run, user, httpx.AsyncClient(transport=transport, timeout=60), Patience(), gate)


async def _begin(visit: Visitor) -> httpx.Response | Exception:
    try:
        return await visit.to_the_sign_in_page()
    except Exception as error:
        return error


async def _end(
    visit: Visitor, page: httpx.Response | Exception, transport: httpx.AsyncHTTPTransport, outcome: Outcome
) -> tuple[str, dict[str, Any]] | None:
    started = time.perf_counter()
    try:
        if isinstance(page, Exception):
            raise page
        issued = await visit.tokens(await visit.code(page))
    except LoginLost as lost:
        if not any(what.startswith("cut") for what in visit.patience.seen):  # there was no reason
            outcome.lost[str(lost)] += 1
            return None
        again = _visitor(visit.run, visit.user, transport, visit.gate)
        try:
            issued = await again.log_in()
        except Exception as error:
            outcome.lost[f"second start: {error!r}"[:160]] += 1
            return None
        outcome.begun_again += 1
        outcome.seen[f"begin again: {lost}"[:90]] += 1
    except AssertionError as error:
        outcome.mixed[str(error)] += 1
        return None
    except Exception as error:
        outcome.lost[repr(error)[:160]] += 1
        return None
    else:
        outcome.repeated += bool(visit.patience.seen)
        outcome.at_once += not visit.patience.seen
    outcome.seconds.append(time.perf_counter() - started)
    return visit.user.username, issued


def _compare(tokens: Sequence[tuple[str, dict[str, Any]]], outcome: Outcome) -> None:
    """No token twice, no subject of two people."""
    seen: set[str] = set()
    subjects: dict[str, str] = {}
    for username, issued in tokens:
        claims = claims_of(issued["access_token"])
        for secret in (claims["jti"], issued["refresh_token"]):
            if secret in seen:
                outcome.mixed["one token for two logins"] += 1
            seen.add(secret)
        if subjects.setdefault(claims["sub"], username) != username:
            outcome.mixed["one subject for two people"] += 1


async def _all(calls: Generator[Any]) -> list[Any]:
    return await asyncio.gather(*calls)


async def _meanwhile(work: Any, bridges: Bridges | None, kills: int, outcome: Outcome) -> list[Any]:
    """Do the work, and kill bridges at even distances of the work that is left to do."""
    task = asyncio.ensure_future(work)
    for _ in range(kills if bridges else 0):
        await asyncio.wait([task], timeout=1.0)
        if bridges is not None and not task.done():
            await bridges.kill()
            outcome.killed += 1
    return await task


async def several_bridges(run: Run, processes: Processes, logins: int, count: int, kills: int, people: int) -> Outcome:
    """Put several bridges in place of the one of a running stack, and let the storm loose."""
    users = await asyncio.to_thread(make_users, run, people)
    only = next(child for child in processes.parts if child.part.name == "bridge")
    await asyncio.to_thread(children.stop, [only])
    try:
        async with balancing(only.part.port) as balancer:
            bridges = Bridges(run, balancer)
            try:
                for _ in range(count):
                    await bridges.add()
                return await login_storm(run, users, logins, bridges, kills)
            finally:
                await asyncio.to_thread(children.stop, list(bridges.living))
    finally:  # once the balancer has left its port
        only.start_again()
        await asyncio.to_thread(children.wait_until_healthy, [only])


@contextmanager
def own_stack() -> Generator[tuple[Run, Processes]]:
    """A whole system on free ports, in a folder that goes with it."""
    with (
        tempfile.TemporaryDirectory(prefix="mcp-demo-bench-") as folder,
        started(Options(Path(folder), Ports.free())) as running,
    ):
        yield running


def main(arguments: list[str] | None = None) -> int:
    """Print the table; exit code 1 if a login was lost or mixed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks logins", description="Logins in flight while bridges are killed."
    )
    parser.add_argument("--logins", type=int, default=1000)
    parser.add_argument("--bridges", type=int, default=3)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="also put the table into this page")
    options = parser.parse_args(arguments)
    people = -(-options.logins // _LOGINS_OF_ONE)
    with own_stack() as (run, processes):
        storm = several_bridges(run, processes, options.logins, options.bridges, options.kills, people)
        outcome = asyncio.run(storm)
    told = f"{table(('', ''), outcome.rows())}\nOn {machine()}."
    sys.stdout.write(told + "\n")
    if options.write:
        write(options.write, "python -m benchmarks logins", told)
    return 0 if outcome.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
