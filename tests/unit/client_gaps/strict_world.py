"""One MCP server and one authorization server that forgive nothing, and remember what a client did wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from mcp_demo.client import mcp
from mcp_demo.client.drive import drive
from mcp_demo.client.engine import Engine
from mcp_demo.client.registration import Identity
from mcp_demo.oauth import pkce

RS = "https://rs.example/mcp"
AS = "https://as.example"
REDIRECT = "http://localhost:7777/callback"


class Gap(Exception):
    """The client did what it must not do, or did not do what it must."""


def require(holds: bool, words: str) -> None:
    """Insist on something about the client."""
    if not holds:
        raise Gap(words)


@dataclass
class StrictWorld:
    """The servers. `metadata` replaces members of the authorization server's; `answer` those of its response."""

    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    answer: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    lifetime: int = 600
    now: float = 1_000_000.0
    log: list[httpx.Request] = field(default_factory=list[httpx.Request])
    asked: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    forms: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    secrets: list[str] = field(default_factory=list[str])
    refusals: list[str] = field(default_factory=list[str])
    alive: dict[str, float] = field(default_factory=dict[str, float])
    refresh_token: str | None = None
    presented: list[str] = field(default_factory=list[str])

    def client(self) -> Engine:
        """A client of the MCP server, nothing of it known beforehand."""
        return Engine(RS, Identity(), REDIRECT, clock=lambda: self.now)

    async def call(self, client: Engine) -> int:
        """Let a client call the MCP server; the status of the answer it is content with."""
        async with httpx.AsyncClient(transport=httpx.MockTransport(self._serve)) as http:
            return (await drive(client.send(mcp.list_tools(RS)), http, self.sign_in)).status

    def sign_in(self, url: str, redirect_uri: str) -> str:
        """What a browser and a person do: approve, and come back."""
        self.log.append(httpx.Request("GET", url))
        self.asked.append(dict(parse_qsl(urlsplit(url).query)))
        code = self._secret("code")
        given = {"code": code, "state": self.asked[-1].get("state"), "iss": AS} | dict(self.answer)
        return f"{redirect_uri}?{urlencode({name: value for name, value in given.items() if value is not None})}"

    def requests(self, path: str) -> int:
        """How many requests went to a path."""
        return sum(urlsplit(str(request.url)).path == path for request in self.log)

    def _serve(self, request: httpx.Request) -> httpx.Response:
        self.log.append(request)
        parts = urlsplit(str(request.url))
        if f"{parts.scheme}://{parts.netloc}{parts.path}" == RS:
            return self._mcp(request)
        if parts.path == "/.well-known/oauth-protected-resource/mcp":
            return httpx.Response(200, json={"resource": RS, "authorization_servers": [AS]})
        if parts.path == "/.well-known/oauth-authorization-server":
            return httpx.Response(200, json=self._metadata())
        if parts.path == "/register":
            return httpx.Response(201, json={"client_id": "client-1", "token_endpoint_auth_method": "none"})
        return self._token(dict(parse_qsl(request.content.decode())))

    def _metadata(self) -> dict[str, Any]:
        members: dict[str, Any] = {
            "issuer": AS,
            "authorization_endpoint": f"{AS}/authorize",
            "token_endpoint": f"{AS}/token",
            "registration_endpoint": f"{AS}/register",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        } | dict(self.metadata)
        return {name: value for name, value in members.items() if value is not None}

    def _mcp(self, request: httpx.Request) -> httpx.Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token:
            self.presented.append(token)
        if self.alive.get(token, 0) <= self.now:
            return httpx.Response(401, headers={"www-authenticate": 'Bearer scope="read"'})
        return httpx.Response(200, json={"jsonrpc": "2.0", "id": 1, "result": {}})

    def _token(self, form: dict[str, str]) -> httpx.Response:
        self.forms.append(form)
        if form.get("grant_type") == "refresh_token":
            good = form.get("refresh_token") == self.refresh_token
        else:
            asked = self.asked[-1]
            good = (
                form.get("code") == self.secrets[-1]
                and form.get("redirect_uri") == asked.get("redirect_uri")
                and form.get("resource") == asked.get("resource") == RS
                and pkce.challenge(form.get("code_verifier", "")) == asked.get("code_challenge")
            )
        if not good:
            self.refusals.append(form.get("grant_type", ""))
            return httpx.Response(400, json={"error": "invalid_grant"})
        token, self.refresh_token = self._secret("access"), self._secret("refresh")
        self.alive = {token: self.now + self.lifetime}
        members = {"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime}
        return httpx.Response(200, json={**members, "refresh_token": self.refresh_token})

    def _secret(self, kind: str) -> str:
        self.secrets.append(f"{kind}-{len(self.secrets)}-{'x' * 24}")
        return self.secrets[-1]
