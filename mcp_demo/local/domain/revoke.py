"""`POST /oauth2/revoke` (Cognito docs › The token revocation endpoint)."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from mcp_demo.local.domain.errors import NO_STORE
from mcp_demo.local.domain.forms import PostedForm
from mcp_demo.local.domain.parts import Parts
from mcp_demo.local.domain.token import authenticated_client
from mcp_demo.oauth.errors import InvalidClient, InvalidRequest

_JWT_PARTS = 3


def revoke_router(parts: Parts) -> APIRouter:
    """The route of the revocation endpoint."""
    router = APIRouter()

    @router.post("/oauth2/revoke")
    def revoke(request: Request, form: PostedForm) -> Response:
        try:
            client = authenticated_client(parts, request, form)
        except InvalidClient as error:
            return JSONResponse({"error": error.error}, status_code=401, headers=NO_STORE)
        token = form.get("token")
        if token is None or not client.revocable:
            raise InvalidRequest("The token is missing, or this app client does not allow revocation.")
        if len(token.split(".")) == _JWT_PARTS:
            return JSONResponse({"error": "unsupported_token_type"}, status_code=400, headers=NO_STORE)
        grant = parts.grants.find(token, client.client_id)
        if grant is not None:
            parts.grants.revoke(grant)
            # From now on the pool's own API refuses the access tokens too; who verifies them locally cannot know.
            parts.pool.api.revoke_token(
                Token=parts.signer.revocation_token(grant.origin_jti), ClientId=client.client_id
            )
        return Response(status_code=200, headers=NO_STORE)

    return router
