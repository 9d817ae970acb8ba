"""An API that the MCP server calls for people: a resource server of its own, with its own name in `aud`.

It takes a token that was issued for it, to somebody it knows (`act`), for a person (`sub`). The token that a client
sent to the MCP server is none of that kind, and is refused. `GET /whoami` says whom it sees.
"""

import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mcp_demo.oauth import challenge
from mcp_demo.oauth import scopes as scope_rules
from mcp_demo.oauth.access_token import AccessToken, Rules
from mcp_demo.oauth.errors import InsufficientScope, InvalidToken, OAuthError
from mcp_demo.server.credentials import bearer_token, fields_of
from mcp_demo.server.keys import KeysUnavailable, SigningKeys
from mcp_demo.server.verifier import TokenVerifier, TrustedIssuer
from mcp_demo.settings import DownstreamSettings

_log = logging.getLogger(__name__)


def create_app(settings: DownstreamSettings | None = None, *, clock: Callable[[], float] = time.time) -> Starlette:
    """The API of `settings`, else of the environment.

    Raises:
        SetupError: A setting is missing.
    """
    settings = settings or DownstreamSettings.load()
    http = httpx.AsyncClient(timeout=5)
    rules = Rules(settings.issuer, settings.downstream_url, frozenset((settings.scope,)))
    verifier = TokenVerifier([TrustedIssuer(rules, SigningKeys(settings.jwks_uri, http))], clock)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with http:
            yield
            await verifier.close()

    async def whoami(request: Request) -> Response:
        try:
            token = bearer_token(fields_of(request.scope["headers"]))
            if token is None:
                return _refused(401, {"scope": settings.scope})
            caller = await verifier.verify(token)
            _require_delegation(caller, settings)
        except OAuthError as error:
            _log.info("Refused: %s", error.description)
            return _refused(error.status, {**error.as_dict(), "scope": settings.scope})
        except KeysUnavailable:
            return JSONResponse({"error": "temporarily_unavailable"}, 503, {"retry-after": "10"})
        return JSONResponse(_seen(caller, settings), headers={"cache-control": "no-store"})

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    return Starlette(routes=[Route("/whoami", whoami), Route("/health", health)], lifespan=lifespan)


def _require_delegation(caller: AccessToken, settings: DownstreamSettings) -> None:
    """The one who acts now has to be known here. Those before it, and who calls alone, do not count (RFC 8693 §4.1)."""
    if not caller.actors or not caller.actors[0].is_one_of(settings.actors, caller.issuer):
        raise InvalidToken("The access token was issued to nobody who may act for people here.")
    if scope_rules.missing((settings.scope,), caller.scopes):
        raise InsufficientScope("The access token does not cover this operation.", (settings.scope,))


def _seen(caller: AccessToken, settings: DownstreamSettings) -> dict[str, Any]:
    return {
        "subject": caller.subject,
        "actors": [actor.subject for actor in caller.actors],
        "audience": settings.downstream_url,
        "scopes": list(caller.scopes),
        "expires_at": caller.expires_at,
    }


def _refused(status: int, parameters: dict[str, str]) -> Response:
    """A refusal with its challenge (RFC 6750 §3); where there were no credentials it names no error."""
    body = {name: value for name, value in parameters.items() if name != "scope"} or {"error": "unauthorized"}
    headers = {"www-authenticate": challenge.build_bearer(parameters), "cache-control": "no-store"}
    return JSONResponse(body, status, headers)
