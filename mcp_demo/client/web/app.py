"""The browser clients as web apps: log in, fetch MCP data, add data, log out, and beside it every hop that this takes.

One app, three ways of becoming known: `create_static`, `create_auto`, `create_metadata`.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request, Response

from mcp_demo.client.web import kinds
from mcp_demo.client.web.kinds import AUTO, METADATA, STATIC, Kind
from mcp_demo.client.web.routes import ForeignForm, router
from mcp_demo.client.web.site import Site
from mcp_demo.settings import ClientSettings
from mcp_demo.web.body_limit import BodyLimit

Transport = httpx.AsyncBaseTransport | None


def create_static(settings: ClientSettings | None = None, transport: Transport = None) -> FastAPI:
    """The client that was registered beforehand."""
    return _create(STATIC, settings or ClientSettings.load(), transport)


def create_auto(settings: ClientSettings | None = None, transport: Transport = None) -> FastAPI:
    """The client that registers itself (RFC 7591)."""
    return _create(AUTO, settings or ClientSettings.load(), transport)


def create_metadata(settings: ClientSettings | None = None, transport: Transport = None) -> FastAPI:
    """The client whose id is its metadata document, which it hosts (CIMD §3)."""
    settings = settings or ClientSettings.load()
    document = kinds.document(settings)
    app = _create(METADATA, settings, transport)
    body = json.dumps(document, indent=2)  # people read it too
    headers = {"Cache-Control": "max-age=300"}
    app.add_api_route(kinds.DOCUMENT_PATH, lambda: Response(body, headers=headers, media_type="application/json"))
    return app


def _create(kind: Kind, settings: ClientSettings, transport: Transport) -> FastAPI:
    site = Site(kind, settings, transport)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        yield
        await site.http.aclose()

    def refused(request: Request, error: Exception) -> Response:
        words = "It belongs to a session that has ended, or cookies are switched off. Go back and try again."
        return site.stop("This page is too old", words, 403)

    def missing(request: Request, error: Exception) -> Response:
        return site.stop("There is no such page", "This client has one page only.", 404)

    app = FastAPI(lifespan=lifespan, title=kind.title, openapi_url=None, redirect_slashes=False)
    app.state.site = site
    app.add_middleware(BodyLimit)
    app.add_exception_handler(ForeignForm, refused)
    app.add_exception_handler(404, missing)
    app.include_router(router)
    return app
