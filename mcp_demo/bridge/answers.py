"""How the bridge answers: a page for the person, a redirect for the browser leg, JSON for the client itself."""

import logging
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from mcp_demo.bridge.context import Bridge, bridge_of
from mcp_demo.oauth.errors import InvalidClient, OAuthError
from mcp_demo.oauth.redirect_uri import with_parameters

_log = logging.getLogger(__name__)
_FOR_CLIENTS = frozenset({"/token", "/revoke"})
_RETRY = "Go back to the application and try again in a moment."
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class Stop(Exception):
    """A browser request that ends on our own page, because there is no redirect URI that can be trusted with it.

    Args:
        heading: What happened, in a few plain words.
        explanation: Why, in a sentence or two.
        cure: What the person can do.
        code: The OAuth error code.
        status: The HTTP status.
        back: A link to go on with, if there is one.
        back_text: Its text.
    """

    def __init__(
        self,
        heading: str,
        explanation: str,
        cure: str,
        *,
        code: str = "invalid_request",
        status: int = 400,
        back: str | None = None,
        back_text: str | None = None,
    ) -> None:
        super().__init__(heading)
        self.status = status
        self.page: dict[str, Any] = {
            "heading": heading,
            "explanation": explanation,
            "cure": cure,
            "code": code,
            "back": back,
            "back_text": back_text,
        }


async def stop_page(request: Request, error: Exception) -> Response:
    """The page of a `Stop`."""
    assert isinstance(error, Stop)  # noqa: S101 (registered for this class only)
    _log.info("stopped at %s: %s", request.url.path, error)
    return bridge_of(request).pages.render("error.html", status=error.status, **error.page)


async def oauth_error(request: Request, error: Exception) -> Response:
    """An OAuth error as JSON (RFC 6749 §5.2), or as a page where a person is waiting for an answer."""
    assert isinstance(error, OAuthError)  # noqa: S101 (registered for this class only)
    if request.url.path not in _FOR_CLIENTS:
        stop = Stop("This does not work now", error.description, _RETRY, code=error.error, status=error.status)
        return await stop_page(request, stop)
    _log.info("refused at %s: %s (%s)", request.url.path, error.error, error.description)
    headers = dict(NO_STORE)
    if isinstance(error, InvalidClient) and "authorization" in request.headers:
        headers["WWW-Authenticate"] = f'Basic realm="{bridge_of(request).issuer}"'
    if error.status == 405:
        headers["Allow"] = "POST"
    if error.status == 503:
        headers["Retry-After"] = "2"
    return JSONResponse(error.as_dict(), status_code=error.status, headers=headers)


async def crash(request: Request, error: Exception) -> Response:
    """An error nobody foresaw: named, in the form the asker can read; the details are in the log only."""
    if request.url.path in _FOR_CLIENTS:
        body = {"error": "server_error", "error_description": "The authorization server has a fault."}
        return JSONResponse(body, status_code=500, headers=NO_STORE)
    return bridge_of(request).pages.render(
        "error.html",
        status=500,
        heading="Something went wrong here",
        explanation="The fault is in this service, not in what you did.",
        cure=_RETRY,
        code="server_error",
    )


def tokens(members: Mapping[str, Any]) -> Response:
    """A successful token response (RFC 6749 §5.1)."""
    return JSONResponse(dict(members), headers=NO_STORE)


def redirect(url: str, *, status: int = 302) -> Response:
    """Send the browser on, leaving neither a copy in a cache nor our address in a `Referer`."""
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return RedirectResponse(url, status_code=status, headers=headers)


def response_url(bridge: Bridge, redirect_uri: str, state: str | None, members: Mapping[str, str]) -> str:
    """An authorization response on the client's redirect URI, with `state` and `iss`.

    Spec: RFC 6749 §4.1.2, RFC 9207 §2.
    """
    parameters = dict(members)
    if state is not None:
        parameters["state"] = state
    return with_parameters(redirect_uri, {**parameters, "iss": bridge.issuer})


def error_url(bridge: Bridge, redirect_uri: str, state: str | None, error: OAuthError) -> str:
    """An error on the client's redirect URI. Only for URIs that were compared with the client's registered ones.

    Spec: RFC 6749 §4.1.2.1.
    """
    return response_url(bridge, redirect_uri, state, error.as_dict())
