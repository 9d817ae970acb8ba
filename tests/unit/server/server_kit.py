"""An issuer of our own, its JWKS, and the MCP server in this process."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from joserfc import jws
from joserfc.jwk import RSAKey
from starlette.routing import Router

from mcp_demo.oauth import challenge
from mcp_demo.oauth.challenge import Challenge
from mcp_demo.server.app import create_app
from mcp_demo.settings import ServerSettings

NOW = 1_800_000_000.0
ORIGIN = "http://localhost:3001"
RESOURCE = f"{ORIGIN}/mcp"
METADATA = f"{ORIGIN}/.well-known/oauth-protected-resource/mcp"
READ, WRITE = f"{RESOURCE}/read", f"{RESOURCE}/write"
BRIDGE = "http://localhost:3004"
ISSUER = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Abc"
PAGE = "http://localhost:3000"
JSON_RPC = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
_KEYS = [RSAKey.generate_key(2048, {"kid": f"key-{number}"}, private=True) for number in range(2)]


@dataclass
class Issuer:
    """Signs tokens and publishes keys; counts how often it is asked for them."""

    key: RSAKey = field(default_factory=lambda: _KEYS[0])
    published: list[RSAKey] = field(default_factory=lambda: [_KEYS[0]])
    reachable: bool = True
    asked: int = 0

    def rotate(self) -> None:
        """Sign with another key from now on, and publish only that."""
        self.key = next(key for key in _KEYS if key is not self.key)
        self.published = [self.key]

    def jwks(self) -> dict[str, Any]:
        """The JWKS document."""
        return {"keys": [key.as_dict(private=False) | {"use": "sig", "alg": "RS256"} for key in self.published]}

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Serve the JWKS, or fail to."""
        self.asked += 1
        if not self.reachable:
            raise httpx.ConnectError("unreachable", request=request)
        return httpx.Response(200, json=self.jwks())

    def token(self, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """An access token; a claim set to None is left out."""
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "sub": "alice",
            "client_id": "app",
            "username": "demo",
            "token_use": "access",
            "aud": RESOURCE,
            "scope": READ,
            "iat": NOW - 60,
            "exp": NOW + 60,
        }
        kept = {name: value for name, value in (claims | changes).items() if value is not None}
        members = {"alg": "RS256", "kid": self.key.kid, **(header or {})}
        return jws.serialize_compact(members, json.dumps(kept), self.key)


@dataclass
class Running:
    """The server, its issuer, and a client on it."""

    issuer: Issuer
    client: httpx.AsyncClient
    now: float = NOW

    async def call(
        self,
        method: str = "tools/list",
        params: Mapping[str, Any] | None = None,
        *,
        token: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        path: str = "/mcp",
    ) -> httpx.Response:
        """POST one JSON-RPC request, in the handshake era unless the headers say otherwise."""
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
        authorization = [("authorization", f"Bearer {token}")] if token is not None else []
        fields = [*JSON_RPC.items(), *authorization, *headers]
        return await self.client.post(path, content=json.dumps(message), headers=fields)

    async def call_2026(self, tool: str, arguments: Mapping[str, Any], *, token: str, **headers: str) -> httpx.Response:
        """Call a tool as revision 2026-07-28 does; `mcp_name` and such override a header."""
        fields = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": tool}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        meta: dict[str, Any] = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        params: dict[str, Any] = {"name": tool, "arguments": arguments, "_meta": meta}
        return await self.call("tools/call", params, token=token, headers=fields.items())

    async def use(self, tool: str, token: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and return its structured result."""
        response = await self.call("tools/call", {"name": tool, "arguments": arguments}, token=token)
        assert response.status_code == 200, response.text
        result = response.json()["result"]
        assert not result["isError"], result
        return result["structuredContent"]


@asynccontextmanager
async def running(**changes: Any) -> AsyncGenerator[Running]:
    """The MCP server with its lifespan, in this process."""
    issuer = Issuer()
    settings = ServerSettings.model_validate(
        {
            "mcp_url": RESOURCE,
            "authorization_servers": [BRIDGE],
            "issuer": ISSUER,
            "jwks_uri": f"{ISSUER}/.well-known/jwks.json",
            "allowed_origins": [PAGE],
            **changes,
        }
    )
    transport = httpx.MockTransport(issuer.answer)
    clock: list[Running] = []
    app = create_app(settings, clock=lambda: clock[0].now, transport=transport)
    async with (
        _alive(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as client,
    ):
        server = Running(issuer, client)
        clock.append(server)
        yield server


@asynccontextmanager
async def _alive(app: Router) -> AsyncGenerator[None]:
    """The app's lifespan in a task of its own: pytest-asyncio ends a fixture in another task than it began it."""
    started, ended = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan_context(app):
            started.set()
            await ended.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(live())
        await started.wait()
        yield
        ended.set()


def bearer(response: httpx.Response) -> Challenge:
    """The one challenge of a refusal, by a strict reading."""
    found = challenge.parse(response.headers.get_list("www-authenticate"))
    assert len(found) == 1, response.headers
    assert found[0].scheme == "Bearer"
    assert found[0].parameters["resource_metadata"] == METADATA
    return found[0]
