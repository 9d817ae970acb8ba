"""`/oauth2/userInfo` (Cognito docs › The user attributes endpoint)."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from mcp_demo.local.domain.claims import user_claims
from mcp_demo.local.domain.errors import NO_STORE
from mcp_demo.local.domain.parts import Parts
from mcp_demo.local.domain.pool import User


def userinfo_router(parts: Parts) -> APIRouter:
    """The routes of the user attributes endpoint."""
    router = APIRouter()

    @router.api_route("/oauth2/userInfo", methods=["GET", "POST"])
    def userinfo(request: Request) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return _refuse(400, "invalid_request", "Bad OAuth2 request at UserInfo Endpoint")
        claims = parts.signer.verified_access_token(token.strip(), now=parts.clock())
        if claims is None or "openid" not in str(claims.get("scope", "")).split():
            return _invalid_token()
        answer = _about(parts, claims)
        return JSONResponse(answer, headers=NO_STORE) if answer else _invalid_token()

    return router


def live_user(parts: Parts, claims: dict[str, Any]) -> User | None:
    """The user of an access token, unless it was revoked, or its user is disabled, gone or signed out everywhere."""
    user = parts.pool.user(str(claims.get("username", "-")))
    if user is None or not user.enabled or user.sub != claims.get("sub"):
        return None
    return None if _is_over(parts, str(claims.get("origin_jti", "")), user) else user


def _about(parts: Parts, claims: dict[str, Any]) -> dict[str, Any] | None:
    user = live_user(parts, claims)
    if user is None:
        return None
    shown = user_claims(user.attributes, str(claims["scope"]).split())
    # Unlike the ID token, this endpoint says "true" and "false" as strings.
    text = {name: str(value).lower() if isinstance(value, bool) else value for name, value in shown.items()}
    return {"sub": user.sub, **text, "username": user.username}


def _is_over(parts: Parts, origin_jti: str, user: User) -> bool:
    """Whether the token was revoked, or its user signed out everywhere."""
    if parts.grants.is_revoked(origin_jti):
        return True
    session = parts.grants.session_of(origin_jti)
    return session is not None and parts.pool.is_signed_out(
        parts.signer.own_api_token(user, now=int(parts.clock()), origin_jti=session)
    )


def _invalid_token() -> Response:
    return _refuse(
        401,
        "invalid_token",
        "Access token is expired, disabled, or deleted, or the user has globally signed out.",
    )


def _refuse(status: int, error: str, description: str) -> Response:
    return JSONResponse(
        {"error": error, "error_description": description},
        status_code=status,
        headers={**NO_STORE, "WWW-Authenticate": f'Bearer error="{error}", error_description="{description}"'},
    )
