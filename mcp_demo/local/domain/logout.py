"""`GET /logout` (Cognito docs › The managed login sign-out endpoint)."""

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from mcp_demo.local.domain.errors import NO_STORE, UnsafeRequest
from mcp_demo.local.domain.parts import Parts
from mcp_demo.local.domain.signin_request import read_request


def logout_router(parts: Parts) -> APIRouter:
    """The route of the sign-out endpoint."""
    router = APIRouter()

    @router.get("/logout")
    def logout(request: Request) -> Response:
        response = RedirectResponse(_destination(parts, request), status_code=302, headers=NO_STORE)
        parts.browser.end(request, response)
        return response

    return router


def _destination(parts: Parts, request: Request) -> str:
    """A registered sign-out URL, or the sign-in page for a registered callback URL; nothing else."""
    if "logout_uri" not in request.query_params:
        wanted = read_request(parts, request)
        if "response_type" not in wanted.parameters:
            raise UnsafeRequest(
                "invalid_request", "The sign-out link is incomplete.", "With redirect_uri, response_type is needed too."
            )
        return f"/login?{wanted.query}"
    client = parts.pool.app_client(request.query_params.get("client_id", "-"))
    logout_uri = request.query_params["logout_uri"]
    if client is None or logout_uri not in client.logout_urls:
        raise UnsafeRequest(
            "invalid_request",
            "The address to go to after signing out is not one that this app has registered.",
            "It must be the same, character by character, as a sign-out URL of the app client.",
        )
    return logout_uri
