"""The project's own client as one of the load: it finds its way, registers, signs somebody in, refreshes, calls."""

import asyncio
import random
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import httpx

from benchmarks.verdicts import Excused, Verdicts
from benchmarks.visitor import BUSY, Patience, Visitor, WrongAnswer
from mcp_demo.client import mcp
from mcp_demo.client.drive import drive
from mcp_demo.client.engine import Engine
from mcp_demo.client.errors import DiscoveryFailed, RegistrationFailed, Unauthorized
from mcp_demo.client.registration import Identity
from mcp_demo.client.storage import Vault
from mcp_demo.deploy.users import User
from mcp_demo.local.state import Run
from mcp_demo.oauth.errors import ErrorResponse, ResponseInvalid

_HONEST = frozenset(("temporarily_unavailable", "server_error", "invalid_grant"))
_SAYS_SO = re.compile(r"temporarily_unavailable|answer(s|ed) (429|502|503|504)\b")
_NEW_SIGN_IN, _NEW_CLIENT = 0.3, 0.1  # how likely each is before a call


@dataclass
class Caller:
    """A client without an id of its own, on behalf of one person.

    Args:
        run: The system.
        user: The person.
        transport: The connections.
        gate: As many as they are.
        verdicts: Know whether a clock is off.
        dice: Chance.
    """

    run: Run
    user: User
    transport: httpx.AsyncBaseTransport
    gate: asyncio.Semaphore
    verdicts: Verdicts
    dice: random.Random
    vault: Vault = field(default_factory=Vault)

    async def call(self) -> str:
        """Call `whoami` with what is kept, or from nothing; the answer has to be about this person."""
        self._forget()
        engine = Engine(self.run.server, Identity(client_name="Soak"), "http://127.0.0.1:9/callback", self.vault)
        async with httpx.AsyncClient(transport=_Shared(self.transport), timeout=15) as http:
            try:
                answer = await drive(engine.send(mcp.call_tool(self.run.server, "whoami", {})), http, self._sign_in)
            except ErrorResponse as error:
                if error.error not in _HONEST:
                    raise
                raise Excused(f"{error.error}: {error.description}") from None
            except (DiscoveryFailed, RegistrationFailed, ResponseInvalid) as error:
                if not _SAYS_SO.search(str(error)):
                    raise
                raise Excused(str(error)) from None
            except Unauthorized as error:
                if self.verdicts.now is None or not self.verdicts.now.clock:
                    raise
                raise Excused(str(error)) from None
        if answer.status in BUSY:
            raise Excused(f"{answer.status}, which our client shows")
        if self.user.username.encode() not in answer.body:
            raise WrongAnswer(f"our client got {answer.status}, and not what its person's token opens")
        return "called"

    async def _sign_in(self, url: str, redirect_uri: str) -> str:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        http = httpx.AsyncClient(transport=self.transport, timeout=15)
        visit = Visitor(
            self.run,
            self.user,
            http,
            Patience(tries=1),
            self.gate,
            client_id=asked["client_id"],
            redirect_uri=redirect_uri,
            state=asked["state"],
        )
        return await visit.back_at_the_client(await visit.agreed(url))

    def _forget(self) -> None:
        """Now and then everything, or the tokens, so that all of the way is gone."""
        chance = self.dice.random()
        held = self.vault.grant(self.run.server)
        if held is not None and chance < _NEW_SIGN_IN:
            self.vault.forget_grant(self.run.server)
            if chance < _NEW_CLIENT:
                self.vault.forget_registration(held.issuer)


class _Shared(httpx.AsyncBaseTransport):
    """Connections that stay open when one of those who use them closes."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._transport.handle_async_request(request)
