"""A small world to be a client in: one MCP server and two authorization servers, helpful unless told otherwise."""

import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx

from mcp_demo.oauth import pkce

RS = "https://rs.example/mcp"
PRM = "https://rs.example/.well-known/oauth-protected-resource/mcp"
AS = "https://as.example"
REDIRECT = "http://localhost:7777/callback"

Answer = Callable[[httpx.Request], httpx.Response]


@dataclass
class World:
    """The servers. `override[url]` replaces an answer; `metadata` and `prm` replace or (None) remove members."""

    issuer: str = AS
    challenge: str | None = None
    required: set[str] = field(default_factory=lambda: {"read"})
    prm: dict[str, Any] = field(default_factory=dict[str, Any])
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    registration: dict[str, Any] = field(default_factory=dict[str, Any])
    override: dict[str, Answer] = field(default_factory=dict[str, Answer])
    metadata_at: str | None = None
    refresh_tokens: bool = True
    lifetime: int = 3600
    granted: Callable[[set[str]], set[str]] = lambda scopes: scopes
    log: list[httpx.Request] = field(default_factory=list[httpx.Request])
    codes: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    tokens: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    refreshes: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    contexts: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    serial: int = 0

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self.answer))

    def http_sync(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self.answer))

    def requests(self, part: str) -> list[httpx.Request]:
        return [request for request in self.log if part in str(request.url)]

    def forms(self, part: str = "/token") -> list[dict[str, str]]:
        return [dict(parse_qsl(request.content.decode())) for request in self.requests(part)]

    def expire(self) -> None:
        self.tokens.clear()

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.log.append(request)
        url = str(request.url).partition("?")[0]
        if url in self.override:
            return self.override[url](request)
        routes: dict[str, Answer] = {
            RS: self._mcp,
            PRM: self._prm,
            self.metadata_at or f"{self.issuer}/.well-known/oauth-authorization-server": self._metadata,
            f"{self.issuer}/register": self._register,
            f"{self.issuer}/token": self._token,
        }
        return routes.get(url, lambda _: httpx.Response(404))(request)

    def sign_in(self, url: str, redirect_uri: str) -> str:
        """What a browser and a person would do: approve, and come back with a code."""
        self.log.append(httpx.Request("GET", url))
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        code = self._fresh("code")
        self.codes[code] = asked
        answer = {"code": code, "state": asked["state"], "iss": self.issuer}
        return f"{redirect_uri}?{urlencode(answer)}"

    def _fresh(self, kind: str) -> str:
        self.serial += 1
        return f"{kind}-{self.serial}-{'x' * 30}"

    def _mcp(self, request: httpx.Request) -> httpx.Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        held = self.tokens.get(token) if scheme == "Bearer" else None
        if held is None:
            value = f'Bearer resource_metadata="{PRM}", scope="read"' if self.challenge is None else self.challenge
            return httpx.Response(401, headers={"www-authenticate": value})
        if not self.required <= held:
            need = " ".join(sorted(self.required))
            value = f'Bearer error="insufficient_scope", scope="{need}", resource_metadata="{PRM}"'
            return httpx.Response(403, headers={"www-authenticate": value})
        asked = json.loads(request.content or b"{}")
        tool = asked.get("params", {}).get("name")
        held_by = {"subject": "s", "username": "demo", "client_id": "c", "issuer": self.issuer, "scopes": sorted(held)}
        if tool == "add_context":
            self.contexts.append(asked["params"]["arguments"])
        answers: dict[str, Any] = {"whoami": held_by, "list_contexts": {"contexts": self.contexts}}
        result: dict[str, Any] = {"content": [], "structuredContent": answers.get(tool, {})}
        return httpx.Response(200, json={"jsonrpc": "2.0", "id": 1, "result": result})

    def _prm(self, request: httpx.Request) -> httpx.Response:
        members: dict[str, Any] = {"resource": RS, "authorization_servers": [self.issuer], **self.prm}
        return httpx.Response(200, json={name: value for name, value in members.items() if value is not None})

    def _metadata(self, request: httpx.Request) -> httpx.Response:
        members: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "registration_endpoint": f"{self.issuer}/register",
            "code_challenge_methods_supported": ["S256"],
            "response_types_supported": ["code"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
            "authorization_response_iss_parameter_supported": True,
            **self.metadata,
        }
        return httpx.Response(200, json={name: value for name, value in members.items() if value is not None})

    def _register(self, request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)
        return httpx.Response(201, json={**asked, "client_id": self._fresh("client"), **self.registration})

    def _token(self, request: httpx.Request) -> httpx.Response:
        form = dict(parse_qsl(request.content.decode()))
        if form["grant_type"] == "client_credentials":
            return self._tokens(set(form.get("scope", "").split()))
        if form["grant_type"] == "refresh_token":
            scopes = self.refreshes.pop(form["refresh_token"], None)
            return _error("invalid_grant") if scopes is None else self._tokens(scopes)
        asked = self.codes.pop(form["code"], None)
        if asked is None or pkce.challenge(form["code_verifier"]) != asked["code_challenge"]:
            return _error("invalid_grant")
        assert form["redirect_uri"] == asked["redirect_uri"]
        assert form["resource"] == asked["resource"]
        return self._tokens(set(asked.get("scope", "read").split()))

    def _tokens(self, scopes: set[str]) -> httpx.Response:
        scopes = self.granted(scopes)
        access = self._fresh("access")
        self.tokens[access] = scopes
        members: dict[str, Any] = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": self.lifetime,
            "scope": " ".join(sorted(scopes)),
        }
        if self.refresh_tokens:
            members["refresh_token"] = self._fresh("refresh")
            self.refreshes[members["refresh_token"]] = scopes
        return httpx.Response(200, json=members)


def basic(request: httpx.Request) -> str:
    """The credentials of a Basic header."""
    return b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()


def _error(code: str) -> httpx.Response:
    return httpx.Response(400, json={"error": code})
