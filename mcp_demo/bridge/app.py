"""The bridge: an authorization server as MCP asks for, in front of a Cognito user pool.

    client ──► /authorize ──► consent ──► user pool (sign-in) ──► /callback ──► client ──► /token ──► user pool

It stores nothing for a login: what it has to remember travels in sealed envelopes (`mcp_demo.bridge.envelope`). So any
number of instances can serve any step, and a restart in the middle of a login goes unnoticed.
"""

import re
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mcp_demo.bridge import answers
from mcp_demo.bridge.authorize import authorize
from mcp_demo.bridge.browser import Browsers
from mcp_demo.bridge.callback import callback
from mcp_demo.bridge.cimd import open_documents
from mcp_demo.bridge.consent import decide
from mcp_demo.bridge.context import Bridge, bridge_of
from mcp_demo.bridge.envelope import Envelopes
from mcp_demo.bridge.fetch import Fetcher
from mcp_demo.bridge.metadata import metadata
from mcp_demo.bridge.revoke import revoke
from mcp_demo.bridge.stores import FamilyStore, open_stores
from mcp_demo.bridge.token import token
from mcp_demo.bridge.trace import Trace
from mcp_demo.bridge.upstream import Upstream
from mcp_demo.exchange.wire import to_json
from mcp_demo.oauth import server_metadata
from mcp_demo.oauth.errors import OAuthError
from mcp_demo.registry.model import Registry
from mcp_demo.settings import BridgeSettings
from mcp_demo.web.pages import Pages

# Anybody's page may read these; no cookie and no ambient authority is involved. The browser leg has no CORS at all.
_CORS = Middleware(
    CORSMiddleware,
    allow_origins=["*"],
    allow_methods=["GET", "HEAD", "POST"],
    allow_headers=["*"],
    expose_headers=["WWW-Authenticate", "Retry-After"],
    max_age=600,
)
# When the user pool is slow, requests wait here, where giving up costs nothing: a code that was sent on may be spent
# although no answer came, and then the person has to sign in again.
_AT_ONCE = httpx.Limits(max_connections=16)
_PATIENCE = httpx.Timeout(6.0, connect=2.0, pool=2.0)
_ANY = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")  # the endpoint itself refuses all but POST, in JSON


def create_app(
    settings: BridgeSettings | None = None,
    *,
    registry: Registry | None = None,
    families: FamilyStore | None = None,
    http: httpx.AsyncClient | None = None,
    fetcher: Fetcher | None = None,
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """The bridge as an ASGI application.

    Args:
        settings: Else they are read from the environment.
        registry: Where clients are found; else as the settings say.
        families: Where used refresh tokens are noted; else as the settings say.
        http: The connection pool for the user pool's domain.
        fetcher: Gets client metadata documents.
        clock: Seconds since the epoch.
    """
    settings = settings or BridgeSettings.load()
    pool = http or httpx.AsyncClient(timeout=_PATIENCE, limits=_AT_ONCE, follow_redirects=False)
    fetcher = fetcher or Fetcher(allow_loopback=settings.loopback_documents)
    bridge = _bridge(settings, (registry, families), pool, fetcher, clock)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        async with pool, aclosing(fetcher):
            yield

    app = Starlette(
        routes=_routes(),
        lifespan=lifespan,
        exception_handlers={answers.Stop: answers.stop_page, OAuthError: answers.oauth_error, Exception: answers.crash},
    )
    app.router.redirect_slashes = False  # a callback with a slash is another address, not one to send a code on to
    app.state.bridge = bridge
    return app


def _bridge(
    settings: BridgeSettings,
    given: tuple[Registry | None, FamilyStore | None],
    pool: httpx.AsyncClient,
    fetcher: Fetcher,
    clock: Callable[[], float],
) -> Bridge:
    stores = open_stores(settings)
    return Bridge(
        settings=settings,
        envelopes=Envelopes((key.get_secret_value() for key in settings.envelope_keys), clock),
        registry=given[0] or stores[0],
        families=given[1] or stores[1],
        documents=open_documents(settings, fetcher, clock),
        upstream=Upstream(settings, pool, f"{settings.bridge_url.rstrip('/')}/callback"),
        browsers=Browsers(secure=settings.bridge_url.startswith("https://")),
        pages=Pages("mcp_demo.bridge", role="authorization bridge", product="mcp-demo"),
        trace=Trace(clock) if settings.trace else None,
        clock=clock,
    )


def _routes() -> list[Route]:
    return [
        Route(server_metadata.OAUTH, metadata, methods=["GET", "OPTIONS"], middleware=[_CORS]),
        Route("/token", token, methods=_ANY, middleware=[_CORS]),
        Route("/revoke", revoke, methods=_ANY, middleware=[_CORS]),
        Route("/authorize", authorize, methods=["GET"]),
        Route("/consent", decide, methods=["POST"]),
        Route("/callback", callback, methods=["GET"]),
        Route("/trace/{key}", _trace, methods=["GET"]),
        Route("/health", _health, methods=["GET"]),
    ]


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _trace(request: Request) -> Response:
    trace, key = bridge_of(request).trace, request.path_params["key"]
    if trace is None or not re.fullmatch(r"[0-9a-f]{64}", key):
        return Response(status_code=404)
    return Response(to_json(trace.get(key)), media_type="application/json", headers={"Cache-Control": "no-store"})
