"""Mixed load on a running system: sign-ins, refreshes, calls, registrations, tokens to refuse; each answer judged.

An answer is `right`, or `excused` while a fault is at work and for a moment after it: a cut connection, a refusal that
says to come back, a login that says to begin again. Everything else is wrong, and a wrong answer is never excused.
"""

import asyncio
import random
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from benchmarks.visitor import LoginLost, Patience, Visitor, WrongAnswer
from mcp_demo.client import mcp
from mcp_demo.deploy.users import User
from mcp_demo.local.state import Run

_SESSIONS = 60
_AFTER = 12.0
_NOTES = 30
_KEYS_LOST = "signed in before the keys were lost"
_BUSY = (429, 502, 503, 504)


def _running() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


class Excused(Exception):
    """Not the answer one wishes for, but an honest one; says which."""


@dataclass
class Session:
    """Somebody who is signed in."""

    visit: Visitor
    issued: dict[str, Any] = field(repr=False)
    since: float = field(default_factory=time.monotonic)

    @property
    def token(self) -> str:
        """The access token."""
        return self.issued["access_token"]


@dataclass
class Load:
    """The load and its verdicts.

    Args:
        run: The system.
        users: Who signs in.
        transport: The connections.
        gate: As many as they are.
        register_at: The registration endpoint.
    """

    run: Run
    users: list[User]
    transport: httpx.AsyncBaseTransport
    gate: asyncio.Semaphore
    register_at: str
    right: Counter[str] = field(default_factory=Counter[str])
    excused: Counter[str] = field(default_factory=Counter[str])
    wrong: Counter[str] = field(default_factory=Counter[str])
    during: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    fault: str = ""
    stopping: bool = False
    paused: asyncio.Event = field(default_factory=_running)
    keys_lost_at: float = 0.0
    _calm_at: float = 0.0
    sessions: list["Session"] = field(default_factory=list["Session"])
    _notes: dict[str, int] = field(default_factory=dict[str, int])

    async def work(self) -> None:
        """Send the load until told to stop."""
        jobs = [self.sign_in] * 2 + [self.call] * 3 + [self.note, self.refresh, self.register, self.refused]
        await asyncio.gather(*(self._repeat(job) for job in jobs))

    def begin(self, fault: str) -> None:
        """A fault is at work from now."""
        self.fault, self._calm_at = fault, float("inf")

    def over(self) -> None:
        """It was taken back."""
        self._calm_at = time.monotonic() + _AFTER

    async def _repeat(self, job: Callable[[], Awaitable[str | None]]) -> None:
        while not self.stopping:
            await self.paused.wait()
            await self.judge(job)
            await asyncio.sleep(random.uniform(0.05, 0.25))  # noqa: S311 - nothing secret

    async def judge(self, job: Callable[[], Awaitable[str | None]]) -> None:
        """Do a job once, and count what came of it; a job that has nothing to do yet counts as nothing."""
        name = getattr(job, "__name__", "")
        try:
            self.right[name] += await job() is not None
        except (Excused, LoginLost, httpx.TransportError) as error:
            if not self.stopping:
                self._excuse(name, error)
        except Exception as error:
            self.wrong[f"{name}: {error!r}"[:200]] += 1

    def _excuse(self, name: str, error: Exception) -> None:
        words = str(error) if isinstance(error, Excused | LoginLost) else "connection cut or refused"
        if _KEYS_LOST in words:  # may come up long after, whenever such a session is refreshed
            self.excused[name] += 1
            self.during["envelope keys lost", f"{name}: {words}"] += 1
        elif time.monotonic() > self._calm_at:
            self.wrong[f"{name}: {words}, with no fault at work (the last: {self.fault})"[:240]] += 1
        else:
            self.excused[name] += 1
            self.during[self.fault, f"{name}: {words}"] += 1

    async def sign_in(self) -> str | None:
        """A whole login by a browser and a client that have patience."""
        user = random.choice(self.users)  # noqa: S311
        # What is told is told at once: no patience with an answer, only with a connection.
        visit = Visitor(self.run, user, self._browser(), Patience(tries=1), self.gate)
        page = await visit.to_the_sign_in_page()
        issued = await visit.tokens(await visit.code(page))
        if len(self.sessions) < _SESSIONS:
            self.sessions.append(Session(visit, issued))
        return "signed in"

    async def refresh(self) -> str | None:
        """A new access token; the session stays with whoever had it."""
        if not self.sessions:
            return None
        session = self.sessions.pop(random.randrange(len(self.sessions)))  # noqa: S311
        # An answer that got lost is asked for again at once, as a client has to: later it would look like a theft.
        session.visit.patience = Patience(tries=40)
        try:
            renewed = await session.visit.refreshed(session.issued["refresh_token"])
        except LoginLost as lost:
            if session.since < self.keys_lost_at:
                raise Excused(f"{lost} ({_KEYS_LOST})") from None
            raise
        if renewed["access_token"] == session.token:
            raise WrongAnswer("a refresh gave the same access token")
        self.sessions.append(Session(session.visit, renewed, session.since))
        return "refreshed"

    async def call(self) -> str | None:
        """`whoami`: the MCP server has to know whose token it is."""
        if not self.sessions:
            return None
        session = random.choice(self.sessions)  # noqa: S311
        said = (await self.tool(session.token, "whoami", {}))["structuredContent"]
        if said["username"] != session.visit.user.username:
            raise WrongAnswer("the MCP server takes one person for another")
        return "known"

    async def note(self) -> str | None:
        """Write a note, and read notes: they are one's own, and what was confirmed is there."""
        if not self.sessions:
            return None
        session = random.choice(self.sessions)  # noqa: S311
        name, token = session.visit.user.username, session.token
        if self._notes.get(name, 0) < _NOTES:
            await self.tool(token, "add_context", {"name": name, "text": secrets.token_hex(8)})
            self._notes[name] = self._notes.get(name, 0) + 1
        kept = (await self.tool(token, "list_contexts", {}))["structuredContent"]["contexts"]
        if any(item["name"] != name for item in kept):
            raise WrongAnswer("somebody else's notes")
        if len(kept) < self._notes.get(name, 0):
            raise WrongAnswer("a note that was confirmed is lost")
        return "kept"

    async def register(self) -> str | None:
        """Register a client, read it, and remove it."""
        http, wanted = self._browser(), {"redirect_uris": ["https://client.example/callback"]}
        made = await http.post(self.register_at, json=wanted)
        _excuse_busy(made)
        client = made.json()
        if made.status_code != 201 or client["redirect_uris"] != wanted["redirect_uris"]:
            raise WrongAnswer(f"registration answered {made.status_code}")
        mine = {"authorization": f"Bearer {client['registration_access_token']}"}
        where = f"{self.register_at}/{client['client_id']}"
        for method, expected in (("GET", 200), ("DELETE", 204), ("GET", 401)):
            answer = await http.request(method, where, headers=mine)
            _excuse_busy(answer)
            if answer.status_code != expected:
                raise WrongAnswer(f"{method} of a registration answered {answer.status_code}, not {expected}")
        return "registered"

    async def refused(self) -> str | None:
        """No token, or one that is not quite right: never let in, never blamed on anything else."""
        if not self.sessions:
            return None
        good = random.choice(self.sessions).token  # noqa: S311
        header, body, signature = good.split(".")
        other = "A" if signature[10] != "A" else "B"
        bad = random.choice(  # noqa: S311
            [
                f"{header}.{body}.{signature[:10]}{other}{signature[11:]}",
                f"{header}.{body}.",
                good[:-40],
                "nonsense",
                "",
            ]
        )
        step = mcp.call_tool(self.run.server, "whoami", {})
        headers = {**dict(step.request.headers), **({"authorization": f"Bearer {bad}"} if bad else {})}
        answer = await self._browser().post(self.run.server, headers=headers, content=step.request.body)
        _excuse_busy(answer)
        if answer.status_code != 401 or "resource_metadata" not in answer.headers.get("www-authenticate", ""):
            raise WrongAnswer(f"a bad token was answered {answer.status_code}")
        return "refused"

    async def tool(self, token: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The result of a tool."""
        step = mcp.call_tool(self.run.server, name, arguments)
        headers = {**dict(step.request.headers), "authorization": f"Bearer {token}"}
        answer = await self._browser().post(self.run.server, headers=headers, content=step.request.body)
        _excuse_busy(answer)
        if answer.status_code != 200:
            raise WrongAnswer(f"a good token was answered {answer.status_code}")
        result = answer.json().get("result", {})
        if result.get("isError"):
            raise Excused(f"the tool says: {result['content'][0]['text']}"[:120])
        return result

    def _browser(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self.transport, timeout=15)


def _excuse_busy(response: httpx.Response) -> None:
    if response.status_code in _BUSY:
        wait = response.headers.get("retry-after")
        raise Excused(f"{response.status_code}, come back in {wait} s" if wait else f"{response.status_code}")
