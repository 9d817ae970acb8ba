"""A person with a browser, as far as the bridge and the sign-in pages can tell; no screen, no script."""

import html
import json
import re
import secrets
import time
from base64 import urlsafe_b64decode
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx

from mcp_demo.bridge.app import create_app
from mcp_demo.local.state import Run
from mcp_demo.oauth import pkce
from mcp_demo.registry.composition import FixedRegistry
from mcp_demo.registry.model import Client
from mcp_demo.settings import BridgeSettings


def answer(response: httpx.Response) -> dict[str, str]:
    """The parameters of a redirect, each once."""
    assert response.status_code in (302, 303), response.text
    pairs = parse_qsl(urlsplit(response.headers["location"]).query)
    assert len({name for name, _ in pairs}) == len(pairs)
    return dict(pairs)


def claims(token: str) -> dict[str, Any]:
    """What a JWT says, unverified."""
    body = token.split(".")[1]
    return json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def refused(response: httpx.Response, error: str = "invalid_grant", status: int = 400) -> None:
    """Check that a request was refused for the right reason."""
    assert (response.status_code, response.json()["error"]) == (status, error), response.text


@asynccontextmanager
async def another_bridge(
    run: Run, *clients: Client, clock: Callable[[], float] = time.time, **changes: object
) -> AsyncGenerator[httpx.AsyncClient]:
    """A bridge in this process with the settings of the running one, and changes to them; other clients, if given."""
    settings = BridgeSettings.load(run.state / "env" / "bridge.env").model_copy(update=changes)
    registry = FixedRegistry(clients) if clients else None
    pool = httpx.AsyncClient(timeout=30)
    app = create_app(settings, registry=registry, http=pool, clock=clock)
    mounts = {run.bridge: httpx.ASGITransport(app=app)}  # everything else is asked for over the network
    async with pool, httpx.AsyncClient(mounts=mounts, timeout=30) as http:
        yield http


@dataclass
class Person:
    """One browser with its cookies, and the client that sent it here."""

    run: Run
    client_id: str = ""
    redirect_uri: str = ""
    verifier: str = field(default_factory=pkce.new_verifier)
    state: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    http: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(timeout=30))

    def __post_init__(self) -> None:
        self.client_id = self.client_id or self.run.client_id
        self.redirect_uri = self.redirect_uri or f"{self.run.clients['static']}/callback"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    @property
    def read(self) -> str:
        return f"{self.run.server}/read"

    @property
    def write(self) -> str:
        return f"{self.run.server}/write"

    async def open(self, **changes: str | None) -> httpx.Response:
        """Open the authorization endpoint; None leaves a parameter out."""
        parameters: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "state": self.state,
            "code_challenge": pkce.challenge(self.verifier),
            "code_challenge_method": "S256",
            "resource": self.run.server,
            "scope": f"{self.read} {self.write}",
            **changes,
        }
        query = {name: value for name, value in parameters.items() if value is not None}
        return await self.http.get(f"{self.run.bridge}/authorize", params=query)

    async def approve(self, page: httpx.Response, *, write: bool = True) -> httpx.Response:
        """Press Allow on the consent page."""
        ticked = {"scope": self.write} if write else {}
        return await self.submit(page, decision="approve", **ticked)

    async def submit(self, page: httpx.Response, **fields: str) -> httpx.Response:
        """Submit the form of a page, its hidden fields included."""
        assert page.status_code == 200, page.text
        form = re.search(r"<form[^>]*>.*?</form>", page.text, re.DOTALL)
        assert form, page.text
        action = re.search(r'<form[^>]*action="([^"]*)"', form[0])
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form[0]))
        values = {name: html.unescape(value) for name, value in hidden.items()}
        target = urljoin(str(page.url), html.unescape(action[1]) if action else "")
        return await self.http.post(target, data={**values, **fields})

    async def sign_in(self, redirect: httpx.Response) -> str:
        """From the redirect to the user pool through its pages; returns the URL of the bridge's callback."""
        response = redirect
        for _ in range(6):
            if response.status_code == 200:
                user = self.run.user
                response = await self.submit(response, username=user.username, password=user.password)
            location = urljoin(str(response.url), response.headers["location"])
            if location.startswith(f"{self.run.bridge}/callback"):
                return location
            response = await self.http.get(location)
        raise AssertionError("the sign-in pages lead nowhere")

    async def code(self, *, write: bool = True, **changes: str | None) -> str:
        """The whole way: consent, sign-in, back to the client."""
        callback = await self.sign_in(await self.approve(await self.open(**changes), write=write))
        back = await self.http.get(callback)
        assert back.headers["location"].startswith(self.redirect_uri)
        answered = answer(back)
        assert answered["state"] == self.state
        assert answered["iss"] == self.run.bridge
        return answered["code"]

    async def exchange(self, code: str, /, **changes: str | None) -> httpx.Response:
        """Redeem a code, rightly or with changes."""
        return await self.post(
            {
                "grant_type": "authorization_code",
                "code": code,
                "client_id": self.client_id,
                "redirect_uri": self.redirect_uri,
                "code_verifier": self.verifier,
                "resource": self.run.server,
                **changes,
            }
        )

    async def refresh(self, token: str, /, **changes: str | None) -> httpx.Response:
        """Use a refresh token."""
        return await self.post(
            {"grant_type": "refresh_token", "refresh_token": token, "client_id": self.client_id, **changes}
        )

    async def post(self, form: dict[str, str | None], path: str = "/token", **more: Any) -> httpx.Response:
        """Call an endpoint of the bridge with a form."""
        data = {name: value for name, value in form.items() if value is not None}
        return await self.http.post(f"{self.run.bridge}{path}", data=data, **more)

    async def tokens(self, **changes: Any) -> dict[str, Any]:
        """Tokens, by the whole way."""
        response = await self.exchange(await self.code(**changes))
        assert response.status_code == 200, response.text
        return response.json()
