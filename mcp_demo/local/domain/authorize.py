"""`GET /oauth2/authorize` (Cognito docs › The redirect and authorization endpoint)."""

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from mcp_demo.local.domain.errors import NO_STORE, RequestRefused, as_redirect
from mcp_demo.local.domain.federation import to_provider
from mcp_demo.local.domain.parts import Parts
from mcp_demo.local.domain.signin_request import check, read_request, with_code
from mcp_demo.oauth.errors import OAuthError


def authorize_router(parts: Parts) -> APIRouter:
    """The route of the authorization endpoint."""
    router = APIRouter()

    @router.get("/oauth2/authorize")
    def authorize(request: Request) -> Response:
        wanted = read_request(parts, request)
        prompts = frozenset(wanted.parameters.get("prompt", "").split())
        try:
            wish = check(parts, wanted)
            session = None if "login" in prompts else parts.browser.signed_in(request)
            if session is None and "none" in prompts:
                raise RequestRefused("login_required", "Nobody is signed in.")
            if session is None and (name := wanted.parameters.get("identity_provider", "COGNITO")) != "COGNITO":
                return to_provider(parts, request, wanted, name)
        except OAuthError as error:
            return as_redirect(error, wanted.redirect_uri, wanted.state)
        if session is not None:
            return with_code(parts, wanted, wish, session)
        return RedirectResponse(f"/login?{wanted.query}", status_code=302, headers=NO_STORE)

    return router
