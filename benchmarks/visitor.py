"""A person with a browser, and the client that sent it, without a screen: one login, each step of it checked.

Connections are shared between all visitors, as between the people behind one load balancer; cookies are not.
"""

import asyncio
import json
import re
import secrets
from base64 import urlsafe_b64decode
from collections import Counter
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx

from mcp_demo.deploy.users import User
from mcp_demo.local.state import Run
from mcp_demo.oauth import pkce

_FORM = re.compile(r'<form[^>]*?action="([^"]*)"[^>]*>(.*?)</form>', re.DOTALL)
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')
BUSY = (429, 502, 503, 504)
"""The answers of whoever is busy or away: an honest server says these when it cannot say more."""


class WrongAnswer(AssertionError):
    """An answer that nobody should ever get."""


class LoginLost(Exception):
    """A login that has to be started again, and was told so. Expected only where something was killed."""


@dataclass
class Patience:
    """How often a request is tried again, and what made it necessary.

    Args:
        tries: How often in all.
        pause: Seconds between two tries, where the answer does not say.
    """

    tries: int = 12
    pause: float = 0.3
    seen: Counter[str] = field(default_factory=Counter[str])


@dataclass
class Visitor:
    """One login.

    Args:
        run: The system.
        user: Who signs in.
        http: The browser: its own cookies.
        patience: Counts what went wrong on the way.
        gate: Lets in as many requests at once as there are connections; a queue inside httpx costs more than the rest.
        client_id: The client; else the pre-registered one.
        redirect_uri: Where the client takes its answers.
    """

    run: Run
    user: User
    http: httpx.AsyncClient
    patience: Patience
    gate: asyncio.Semaphore
    client_id: str = ""
    redirect_uri: str = ""
    state: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    verifier: str = field(default_factory=pkce.new_verifier, repr=False)

    def __post_init__(self) -> None:
        self.client_id = self.client_id or self.run.client_id
        self.redirect_uri = self.redirect_uri or f"{self.run.clients['static']}/callback"

    async def to_the_sign_in_page(self) -> httpx.Response:
        """Open the authorization endpoint, agree, and arrive at the user pool."""
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "state": self.state,
            "code_challenge": pkce.challenge(self.verifier),
            "code_challenge_method": "S256",
            "resource": self.run.server,
            "scope": f"{self.run.server}/read {self.run.server}/write",
        }
        return await self.agreed(f"{self.run.bridge}/authorize?{urlencode(query)}")

    async def agreed(self, url: str) -> httpx.Response:
        """Open an authorization URL, agree, and arrive at the user pool."""
        page = await self.ask("GET", url)
        answer = await self._submit(page, decision="approve", scope=f"{self.run.server}/write")
        return await self._follow(answer, stop=f"{self.run.bridge}/callback")

    async def code(self, page: httpx.Response) -> str:
        """Sign in, and go back to the client with a code."""
        return dict(parse_qsl(urlsplit(await self.back_at_the_client(page)).query))["code"]

    async def back_at_the_client(self, page: httpx.Response) -> str:
        """Sign in, and go back to the client; the answer there has to be the one to this very request."""
        if page.status_code == 200:
            answer = await self._submit(page, username=self.user.username, password=self.user.password)
            page = await self._follow(answer, stop=f"{self.run.bridge}/callback")
        back = await self.ask("GET", _location(page))
        if back.status_code != 302:
            raise LoginLost(_words(back))
        target = _location(back)
        answered = dict(parse_qsl(urlsplit(target).query))
        if not target.startswith(f"{self.redirect_uri}?") or answered.get("state") != self.state:
            raise WrongAnswer("the browser was sent back with the state of another login")
        if answered.get("iss") != self.run.bridge:
            raise WrongAnswer("the answer is from another issuer")
        if "code" not in answered:
            raise LoginLost(answered.get("error_description", "no code"))
        return target

    async def tokens(self, code: str) -> dict[str, Any]:
        """Redeem the code; the access token has to be this person's, for this server."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
            "resource": self.run.server,
        }
        return self.checked(await self.ask("POST", f"{self.run.bridge}/token", data=form))

    async def refreshed(self, refresh_token: str) -> dict[str, Any]:
        """Use a refresh token."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": self.client_id}
        return self.checked(await self.ask("POST", f"{self.run.bridge}/token", data=form))

    def checked(self, response: httpx.Response) -> dict[str, Any]:
        """The tokens of an answer.

        Raises:
            LoginLost: The grant is dead, which the answer says.
            WrongAnswer: Anything else that is not this person's token.
        """
        answer: dict[str, Any] = response.json()
        if response.status_code == 400 and answer.get("error") == "invalid_grant":
            raise LoginLost(answer["error_description"])
        if response.status_code in BUSY:
            raise LoginLost(f"{response.status_code} {answer.get('error_description', '')}".strip())
        if response.status_code != 200:
            raise WrongAnswer(f"the token endpoint answered {response.status_code} {answer.get('error')}")
        claims = claims_of(answer["access_token"])
        if claims["username"] != self.user.username or claims["aud"] != self.run.server:
            raise WrongAnswer("the token is not this person's, or not for this server")
        return answer

    async def log_in(self) -> dict[str, Any]:
        """The whole way."""
        return await self.tokens(await self.code(await self.to_the_sign_in_page()))

    async def ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        """One request, repeated as a browser's user or a client would when it was cut or told to come back."""
        for left in reversed(range(self.patience.tries)):
            try:
                async with self.gate:
                    response = await self.http.request(method, url, **more)
            except httpx.TransportError as error:
                self.patience.seen[f"cut: {type(error).__name__}"] += 1
                if not left:
                    raise
                await asyncio.sleep(self.patience.pause)
                continue
            if response.status_code not in BUSY or not left:
                return response
            self.patience.seen[f"told to wait: {response.status_code}"] += 1
            await asyncio.sleep(float(response.headers.get("retry-after", self.patience.pause)))
        raise AssertionError("unreachable")

    async def _submit(self, page: httpx.Response, **fields: str) -> httpx.Response:
        form = _FORM.search(page.text) if page.status_code == 200 else None
        if form is None:
            raise LoginLost(_words(page))
        values = {name: unescape(value) for name, value in _HIDDEN.findall(form[2])}
        return await self.ask("POST", urljoin(str(page.url), unescape(form[1])), data={**values, **fields})

    async def _follow(self, response: httpx.Response, stop: str) -> httpx.Response:
        """Follow redirects up to a page, or to one that leads to `stop`."""
        for _ in range(6):
            if not response.is_redirect or _location(response).startswith(stop):
                return response
            response = await self.ask("GET", _location(response))
        raise WrongAnswer("the redirects do not end")


def claims_of(token: str) -> dict[str, Any]:
    """What a JWT says, unverified: the MCP server verifies it."""
    body = token.split(".")[1]
    return json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def browsers(connections: int) -> httpx.AsyncHTTPTransport:
    """The connections that visitors share; give it to the `httpx.AsyncClient` of each."""
    # Idle connections are closed from this side, before the other one does so after five seconds: else a request may
    # be under way to a connection that is just being closed, which is no fault of anybody's.
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=50, keepalive_expiry=3)
    return httpx.AsyncHTTPTransport(limits=limits)


def _location(response: httpx.Response) -> str:
    if not response.is_redirect:
        raise LoginLost(_words(response))
    return urljoin(str(response.url), response.headers["location"])


def _words(response: httpx.Response) -> str:
    """What a page says is wrong, or its heading and the sentence below."""
    alerts = re.findall(r'<p[^>]*role="alert"[^>]*>(.*?)</', response.text, re.DOTALL)
    said = alerts or re.findall(r"<(?:h1|p)[^>]*>(.*?)</", response.text, re.DOTALL)[:2]
    text = " ".join(" ".join(re.sub(r"<[^>]+>", " ", part).split()) for part in said)
    return f"{response.status_code} {unescape(text)}".strip()[:200]
