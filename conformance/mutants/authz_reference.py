"""The reference bridge with registration, in this process; before it a resource, behind it a stand-in user pool."""

import json
import ssl
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

import anyio
import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from conformance.documents import LoopbackDocuments
from conformance.mutants.in_process import InProcess
from conformance.mutants.traveller import PlainTraveller
from conformance.requirements import LATEST
from conformance.target import KnownClient, Target
from mcp_demo import cognito
from mcp_demo.bridge.app import create_app
from mcp_demo.bridge.fetch import Fetched, Fetcher, FetchFailed
from mcp_demo.bridge.stores import MemoryFamilies
from mcp_demo.dcr import http as dcr_http
from mcp_demo.dcr.registration import Registrations
from mcp_demo.oauth import pkce
from mcp_demo.registry.composition import FixedRegistry, Registries
from mcp_demo.registry.model import Client, ClientExists, Page
from mcp_demo.registry.policy import Policy
from mcp_demo.settings import BridgeSettings

CALLBACK = "http://localhost:3000/callback"
ENVELOPE_KEY = urlsafe_b64encode(b"k" * 32).rstrip(b"=").decode()


class MemoryRegistry:
    """Registered clients, in this process."""

    def __init__(self) -> None:
        self._clients: dict[str, Client] = {}

    def get(self, client_id: str) -> Client | None:
        """A client by its id."""
        return self._clients.get(client_id)

    def list(self, *, after: str | None = None, limit: int = 100) -> Page:
        """All clients."""
        return Page(tuple(self._clients.values()))

    def touch(self, client: Client, now: float) -> None:
        """Nothing: nothing expires here."""

    def add(self, client: Client, *, limit: int | None = None) -> None:
        """Store a new client."""
        if client.client_id in self._clients:
            raise ClientExists(client.client_id)
        self._clients[client.client_id] = client

    def replace(self, client: Client, *, was: Client) -> bool:
        """Store a changed client."""
        self._clients[client.client_id] = client
        return True

    def delete(self, client: Client) -> bool:
        """Remove a client."""
        return self._clients.pop(client.client_id, None) is not None


@dataclass
class UserPool:
    """A user pool whose only user is always signed in: codes and refresh tokens, and tokens that nobody verifies."""

    codes: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    refreshing: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    lifetime: int = 3600
    rotates: bool = True
    claims: dict[str, Any] = field(default_factory=dict[str, Any])

    async def authorize(self, request: Request) -> Response:
        """Send the browser back at once."""
        given = dict(request.query_params)
        code = f"upstream-{len(self.codes)}"
        self.codes[code] = given
        query = urlencode({"code": code, "state": given["state"]})
        return RedirectResponse(f"{given['redirect_uri']}?{query}")

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The token and revocation endpoints."""
        form = dict(parse_qsl(request.content.decode()))
        if request.url.path.endswith("/revoke"):
            self.refreshing.pop(form.get("token", ""), None)
            return httpx.Response(200)
        given = self._granted(form)
        if given is None:
            return httpx.Response(400, json={"error": "invalid_grant"})
        now = int(time.time())
        claims = {"iat": now, "exp": now + self.lifetime, "scope": given.get("scope", ""), "aud": given.get("resource")}
        body = urlsafe_b64encode(json.dumps({**claims, **self.claims}).encode()).rstrip(b"=").decode()
        fresh = form.get("refresh_token") or f"refresh-{len(self.refreshing)}"
        if self.rotates or "refresh_token" not in form:
            fresh = f"refresh-{len(self.refreshing)}"
        self.refreshing[fresh] = given
        members = {"access_token": f"e30.{body}.c2ln", "token_type": "Bearer", "expires_in": self.lifetime}
        return httpx.Response(200, json={**members, "refresh_token": fresh})

    def _granted(self, form: Mapping[str, str]) -> dict[str, str] | None:
        if form.get("grant_type") == "refresh_token":
            return self.refreshing.get(form.get("refresh_token", ""))
        given = self.codes.pop(form.get("code", ""), None)
        if given is None or not pkce.matches(form.get("code_verifier", ""), given.get("code_challenge", "")):
            return None
        return given


@dataclass
class Lab:
    """What a planted bug may know and change."""

    mcp: str
    bridge: str
    pool: UserPool = field(default_factory=UserPool)
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    memory: dict[str, Any] = field(default_factory=dict[str, Any])
    patience: float = 0.3


Wrapper = Callable[[ASGIApp, Lab], ASGIApp]


@cache
def _certificates() -> ssl.SSLContext:
    """The usual ones, read once for all bugs."""
    return ssl.create_default_context()


class _Impatient(Fetcher):
    """The guarded fetcher, with hardly any time for the document that is slow on purpose: a matrix cannot wait."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(allow_loopback=True, seconds=10.0, ssl_context=_certificates())
        self._lab = lab

    async def get(self, url: str, *, max_bytes: int) -> Fetched:
        """The document."""
        with anyio.move_on_after(self._lab.patience if url.endswith("/slow.json") else None):
            return await super().get(url, max_bytes=max_bytes)
        raise FetchFailed("it did not arrive in time")


def unchanged(app: ASGIApp, lab: Lab) -> ASGIApp:
    """No defect at all."""
    del lab
    return app


@contextmanager
def served(
    network: InProcess,
    wrapper: Wrapper = unchanged,
    *,
    revision: str = LATEST,
    prepare: Callable[[Lab], object] = lambda lab: None,
    policy: Mapping[str, Any] | None = None,
    path: str = "",
    settings: Mapping[str, Any] | None = None,
    scheme: str = "http",
    plain: bool = False,
) -> Generator[Target]:
    """The reference behind a wrapper, as a target of which everything is allowed.

    Args:
        network: Where it serves.
        wrapper: The planted bug.
        revision: The revision to judge by.
        prepare: Changes what is behind the reference.
        policy: Other rules for registration.
        path: Of the issuer.
        settings: Other settings of the bridge.
        scheme: How the bridge is called.
        plain: Whether it answers plain http too, though it is called by https.
    """
    with network.port() as mcp, network.port() as bridge, network.port() as pool, LoopbackDocuments() as documents:
        lab = Lab(f"http://localhost:{mcp}/mcp", f"{scheme}://localhost:{bridge}{path}")
        prepare(lab)
        domain = Starlette(routes=[Route("/oauth2/authorize", lab.pool.authorize)])
        app = _bridge(lab, network, f"http://localhost:{pool}", dict(settings or {}), dict(policy or {}))
        with (
            network.serving(mcp, _resource(lab)),
            network.serving(pool, domain),
            network.serving(bridge, wrapper(app if plain else _only(scheme, app), lab)),
        ):
            yield Target(
                lab.mcp,
                revision,
                sign_in=PlainTraveller(network),
                may_register=True,
                client=KnownClient("app", CALLBACK),
                documents=documents,
                origin="http://localhost:6274",
            )


def _only(scheme: str, app: ASGIApp) -> ASGIApp:
    """What a TLS port says to plain http."""
    refusal = Response("The plain HTTP request was sent to HTTPS port", 400, media_type="text/plain")

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        fits = scope["type"] != "http" or scope["scheme"] == scheme
        await (app if fits else refusal)(scope, receive, send)

    return dispatch


def _resource(lab: Lab) -> ASGIApp:
    where = f"{lab.mcp.removesuffix('/mcp')}/.well-known/oauth-protected-resource/mcp"
    document = {
        "resource": lab.mcp,
        "authorization_servers": [lab.bridge],
        "scopes_supported": list(cognito.scopes(lab.mcp)),
    }

    async def endpoint(request: Request) -> Response:
        return Response(status_code=401, headers={"WWW-Authenticate": f'Bearer resource_metadata="{where}"'})

    async def metadata(request: Request) -> Response:
        return JSONResponse(document)

    return Starlette(
        routes=[
            Route("/mcp", endpoint, methods=["GET", "POST"]),
            Route("/.well-known/oauth-protected-resource/mcp", metadata),
        ]
    )


def _bridge(lab: Lab, network: InProcess, domain: str, changes: dict[str, Any], policy: dict[str, Any]) -> ASGIApp:
    endpoint = f"{lab.bridge}/register"
    values: dict[str, Any] = {
        "bridge_url": lab.bridge,
        "mcp_url": lab.mcp,
        "domain": domain,
        "bridge_client_id": "bridge-client",
        "bridge_client_secret": "bridge-secret",
        "envelope_keys": [ENVELOPE_KEY],
        "registration_endpoint": endpoint,
        "loopback_documents": True,
        **changes,
    }
    app = create_app(
        BridgeSettings.model_validate(values),
        registry=Registries([FixedRegistry([Client(client_id="app", redirect_uris=(CALLBACK,))]), lab.registry]),
        families=MemoryFamilies(grace=0.0),
        http=httpx.AsyncClient(transport=httpx.MockTransport(lab.pool.answer)),
        fetcher=_Impatient(lab),
        clock=network.time,
    )
    rules = replace(Policy(scopes=cognito.scopes(lab.mcp)), **policy)
    return _with_registration(app, Registrations(lab.registry, time.time, endpoint, rules))


def _with_registration(bridge: ASGIApp, registrations: Registrations) -> ASGIApp:
    """The bridge, and beside it what API Gateway and Lambda do on AWS."""

    async def serve(request: Request) -> Response:
        event = {
            "headers": dict(request.headers),
            "body": (await request.body()).decode("utf-8", "replace"),
            "pathParameters": {"client_id": request.path_params.get("client_id", "")},
        }
        made = _operation(request.method, event, registrations)
        return Response(made["body"], made["statusCode"], made["headers"])

    cors = Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
    beside = Starlette(
        routes=[
            Route("/register", serve, methods=["POST"]),
            Route("/register/{client_id}", serve, methods=["GET", "PUT", "DELETE"]),
        ],
        middleware=[cors],
    )

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        registering = scope["type"] == "http" and scope["path"].startswith("/register")
        await (beside if registering else bridge)(scope, receive, send)

    return dispatch


def _operation(method: str, event: dict[str, Any], registrations: Registrations) -> dict[str, Any]:
    own, token = dcr_http.client_id(event), dcr_http.bearer_token(event)
    if method == "POST":
        return dcr_http.answer("register", event, 201, lambda: registrations.register(dcr_http.json_body(event)))
    if method == "GET":
        return dcr_http.answer("read", event, 200, lambda: registrations.read(own, token))
    if method == "PUT":
        return dcr_http.answer(
            "update", event, 200, lambda: registrations.update(own, token, dcr_http.json_body(event))
        )
    return dcr_http.answer("delete", event, 204, lambda: registrations.delete(own, token))
