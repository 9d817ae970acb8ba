"""Mixed load on a running system: sign-ins, refreshes, calls, registrations, tokens to refuse; each answer judged.

What may be excused by a fault: a cut connection, a refusal that says to come back, a login that says to begin again,
and the two refusals of a clock that is off. `verdicts` knows when.
"""

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from benchmarks.caller import Caller
from benchmarks.tokens import aged, with_strange_key
from benchmarks.verdicts import KEYS_LOST, Excused, Verdicts
from benchmarks.visitor import BUSY, LoginLost, Patience, Visitor, WrongAnswer, claims_of
from mcp_demo.client import mcp
from mcp_demo.deploy.users import User
from mcp_demo.local.state import Run

_SESSIONS = 60
_CALLERS = 2
_NOTES = 30
_AGED = 0.2  # part of the calls whose token soon ends: a fast clock takes it for expired


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


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
    verdicts: Verdicts = field(default_factory=Verdicts)
    dice: random.Random = field(default_factory=random.Random)
    running: asyncio.Event = field(default_factory=_set)
    sessions: list[Session] = field(default_factory=list[Session])
    _notes: dict[str, int] = field(default_factory=dict[str, int])

    async def work(self) -> None:
        """Send the load until told to stop."""
        jobs = [self.sign_in] * 2 + [self.call] * 3 + [self.note, self.refresh, self.register, self.refused]
        callers = [self._caller() for _ in range(_CALLERS)] if self.users else []
        await asyncio.gather(*(self._repeat(job) for job in jobs), *(self._repeat(job) for job in callers))

    def _caller(self) -> Callable[[], Awaitable[str | None]]:
        user = self.dice.choice(self.users)
        caller = Caller(self.run, user, self.transport, self.gate, self.verdicts, self.dice)

        async def client() -> str:  # faults know the job by this name
            return await caller.call()

        return client

    async def _repeat(self, job: Callable[[], Awaitable[str | None]]) -> None:
        while not self.verdicts.stopping:
            await self.running.wait()
            await self.verdicts.judge(job)
            await asyncio.sleep(self.dice.uniform(0.05, 0.25))

    async def sign_in(self) -> str | None:
        """A whole login, with nothing tried again: each cut and each refusal on the way is judged."""
        user = self.dice.choice(self.users)
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
        session = self.sessions.pop(self.dice.randrange(len(self.sessions)))
        # An answer that got lost is asked for again at once, as a client has to: later it would look like a theft.
        session.visit.patience = Patience(tries=40)
        try:
            renewed = await session.visit.refreshed(session.issued["refresh_token"])
        except LoginLost as lost:
            if session.since < self.verdicts.keys_lost_at:
                raise Excused(f"{lost} ({KEYS_LOST})") from None
            raise
        if renewed["access_token"] == session.token:
            raise WrongAnswer("a refresh gave the same access token")
        self.sessions.append(Session(session.visit, renewed, session.since))
        if seen := session.visit.patience.seen:
            raise Excused(f"{next(iter(seen))}, asked again")
        return "refreshed"

    async def call(self) -> str | None:
        """`whoami`: the MCP server has to know whose token it is."""
        if not self.sessions:
            return None
        session = self.dice.choice(self.sessions)
        token = session.token
        if self.dice.random() < _AGED:
            token = aged(token, self.run)
        said = (await self.tool(token, "whoami", {}))["structuredContent"]
        if said["username"] != session.visit.user.username:
            raise WrongAnswer("the MCP server takes one person for another")
        return "known"

    async def note(self) -> str | None:
        """Write a note, and read notes: they are one's own, and what was confirmed is there."""
        if not self.sessions:
            return None
        session = self.dice.choice(self.sessions)
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
        if made.status_code != 201 or made.json()["redirect_uris"] != wanted["redirect_uris"]:
            raise WrongAnswer(f"registration answered {made.status_code}: {made.text[:120]}")
        client = made.json()
        mine = {"authorization": f"Bearer {client['registration_access_token']}"}
        where = f"{self.register_at}/{client['client_id']}"
        for method, expected in (("GET", 200), ("DELETE", 204), ("GET", 401)):
            answer = await http.request(method, where, headers=mine)
            _excuse_busy(answer)
            if answer.status_code != expected:
                raise WrongAnswer(
                    f"{method} of a registration: {answer.status_code}, not {expected}; {answer.text[:80]}"
                )
        return "registered"

    async def refused(self) -> str | None:
        """No token, or one that is not quite right: never let in, never blamed on anything else."""
        if not self.sessions:
            return None
        good = self.dice.choice(self.sessions).token
        header, body, signature = good.split(".")
        other = "A" if signature[10] != "A" else "B"
        bad = self.dice.choice(
            [
                f"{header}.{body}.{signature[:10]}{other}{signature[11:]}",
                f"{header}.{body}.",
                good[:-40],
                "nonsense",
                "",
            ]
        )
        now = self.verdicts.now
        if now is not None and now.strange_keys:
            bad = with_strange_key(good)
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
        headers, since = {**dict(step.request.headers), "authorization": f"Bearer {token}"}, time.monotonic()
        answer = await self._browser().post(self.run.server, headers=headers, content=step.request.body)
        _excuse_busy(answer)
        if answer.status_code == 401:
            said = answer.json()["error_description"]
            if self.verdicts.clock_refusal(claims_of(token), since, said):
                raise Excused(f"401 {said}")
            raise WrongAnswer(f"a good token was answered 401: {said}")
        if answer.status_code != 200:
            raise WrongAnswer(f"a good token was answered {answer.status_code}")
        result = answer.json().get("result", {})
        if result.get("isError"):
            raise Excused(f"the tool says: {result['content'][0]['text']}"[:120])
        return result

    def _browser(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self.transport, timeout=15)


def _excuse_busy(response: httpx.Response) -> None:
    if response.status_code in BUSY:
        wait = response.headers.get("retry-after")
        raise Excused(f"{response.status_code}, come back in {wait} s" if wait else f"{response.status_code}")
