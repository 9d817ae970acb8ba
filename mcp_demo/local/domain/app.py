"""The application: `create_app` puts the parts together. Loopback only, by every measure we have."""

import ipaddress
import logging
import sqlite3
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from mcp_demo.errors import SetupError
from mcp_demo.local.domain.accounts import Accounts
from mcp_demo.local.domain.authorize import authorize_router
from mcp_demo.local.domain.branding import Looks
from mcp_demo.local.domain.browser import Browser
from mcp_demo.local.domain.challenge import challenge_router
from mcp_demo.local.domain.derived_token import derived_token_router
from mcp_demo.local.domain.errors import NO_STORE, UnsafeRequest, as_json, as_page
from mcp_demo.local.domain.federation import federation_router
from mcp_demo.local.domain.grants import Grants
from mcp_demo.local.domain.lockout import Lockout
from mcp_demo.local.domain.login import login_router
from mcp_demo.local.domain.logout import logout_router
from mcp_demo.local.domain.mailbox import mailbox_router
from mcp_demo.local.domain.mfa import mfa_router
from mcp_demo.local.domain.parts import Parts
from mcp_demo.local.domain.pool import Pool
from mcp_demo.local.domain.recovery import recovery_router
from mcp_demo.local.domain.register import register_router
from mcp_demo.local.domain.revoke import revoke_router
from mcp_demo.local.domain.signing import Signer
from mcp_demo.local.domain.signup import signup_router
from mcp_demo.local.domain.steps import Steps
from mcp_demo.local.domain.store import Store
from mcp_demo.local.domain.token import token_router
from mcp_demo.local.domain.userinfo import userinfo_router
from mcp_demo.oauth.errors import OAuthError
from mcp_demo.oauth.resource import is_loopback_host
from mcp_demo.settings import DomainSettings
from mcp_demo.web.pages import Pages

_ROUTERS = (
    authorize_router,
    federation_router,
    login_router,
    challenge_router,
    mfa_router,
    signup_router,
    recovery_router,
    mailbox_router,
    token_router,
    revoke_router,
    register_router,
    derived_token_router,
    userinfo_router,
    logout_router,
)

_log = logging.getLogger(__name__)


def create_app(settings: DomainSettings | None = None, *, clock: Callable[[], float] = time.time) -> FastAPI:
    """The user-pool domain of `settings`, else of the environment.

    Raises:
        SetupError: Settings are missing, or lead off this machine.
    """
    settings = settings or DomainSettings.load()
    _require_loopback(settings)
    pool, store = Pool(settings), Store(settings.state_dir, clock)
    browser = Browser(settings, store, pool)
    parts = Parts(
        settings=settings,
        pool=pool,
        accounts=Accounts(pool),
        store=store,
        grants=Grants(store),
        browser=browser,
        steps=Steps(store, browser, clock),
        lockout=Lockout(store, clock),
        signer=Signer(settings),
        looks=Looks(pool, settings.branding),
        pages=Pages("mcp_demo.local.domain", product="Sign-in", role="local stand-in"),
        clock=clock,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        store.close()

    app = FastAPI(
        title="User-pool domain (local stand-in)", openapi_url=None, lifespan=lifespan, redirect_slashes=False
    )
    app.middleware("http")(_loopback_only)
    _answer_errors(app, parts)
    for router in _ROUTERS:
        app.include_router(router(parts))

    @app.get("/health")
    def health() -> dict[str, str]:  # pyright: ignore[reportUnusedFunction]
        return {"status": "ok"}

    return app


def _require_loopback(settings: DomainSettings) -> None:
    for name, url in (("MCP_DEMO_DOMAIN", settings.domain), ("MCP_DEMO_AWS_ENDPOINT", settings.aws_endpoint)):
        if not is_loopback_host(urlsplit(url).hostname):
            raise SetupError(
                f"{name} is not on this machine; the local user-pool domain serves nothing else.",
                "On AWS the user pool has a domain of its own.",
            )


async def _loopback_only(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse names and addresses that are not this machine's, against DNS rebinding and a listener put elsewhere."""
    if not is_loopback_host(request.url.hostname) or not _is_here(request):
        return PlainTextResponse("This stand-in answers on this machine only.\n", status_code=403)
    return await proceed(request)


def _is_here(request: Request) -> bool:
    try:
        return request.client is None or ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:  # an in-process caller without an address
        return True


def _answer_errors(app: FastAPI, parts: Parts) -> None:
    @app.exception_handler(OAuthError)
    def oauth_error(_: Request, error: OAuthError) -> Response:  # pyright: ignore[reportUnusedFunction]
        return as_json(error)

    @app.exception_handler(BotoCoreError)
    @app.exception_handler(ClientError)
    def pool_failed(request: Request, _: Exception) -> Response:  # pyright: ignore[reportUnusedFunction]
        _log.exception("the embedded AWS failed")
        return _server_error(
            request,
            parts,
            heading="The user pool does not answer",
            explanation="This page asks the embedded AWS, which has stopped or failed.",
            cure="Start the system again with `mcp-demo up`; its log is in the state folder.",
        )

    @app.exception_handler(sqlite3.Error)
    def store_failed(request: Request, error: Exception) -> Response:  # pyright: ignore[reportUnusedFunction]
        _log.error("the file of this stand-in cannot be used: %s", error)
        return _server_error(
            request,
            parts,
            heading="This sign-in cannot be kept",
            explanation=f"The file in which this stand-in keeps sign-ins cannot be written: {error}.",
            cure="Make room on the disk, then go back to the application and start the sign-in again.",
        )

    @app.exception_handler(UnsafeRequest)
    def unsafe_request(_: Request, error: UnsafeRequest) -> Response:  # pyright: ignore[reportUnusedFunction]
        return as_page(parts.pages, error)


def _server_error(request: Request, parts: Parts, *, heading: str, explanation: str, cure: str) -> Response:
    """What failed is not the caller's doing: OAuth's error for a program, a page for a person."""
    if request.url.path.startswith("/oauth2/") and request.method == "POST":
        return JSONResponse({"error": "server_error"}, status_code=500, headers=NO_STORE)
    return parts.pages.render(
        "refused.html", status=503, heading=heading, explanation=explanation, cure=cure, code="server_error"
    )
