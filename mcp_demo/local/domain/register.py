"""`POST /oauth2/register`: Cognito's own dynamic client registration (Cognito docs › Dynamic client registration).

Off unless configured. *Authenticated* registration needs an access token with the scope `aws.cognito/dcr/register`,
*open* registration none. AWS documents the endpoint and its configuration; details not documented follow RFC 7591.
"""

import re
from typing import Any
from urllib.parse import urlsplit

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mcp_demo.cognito import MAX_CALLBACK_URLS
from mcp_demo.local.domain.errors import NO_STORE
from mcp_demo.local.domain.parts import Parts
from mcp_demo.oauth.errors import InvalidClientMetadata, InvalidRedirectUri, InvalidToken, OAuthError
from mcp_demo.oauth.redirect_uri import is_loopback
from mcp_demo.settings import NativeRegistration

REGISTER_SCOPE = "aws.cognito/dcr/register"
_STANDARD = ("openid", "email", "phone", "profile")
_METHODS = ("client_secret_basic", "client_secret_post", "none")
_NAME = re.compile(r"[\w\s+=,.@-]+")
_MAX_BODY = 64 * 1024


class Registration(BaseModel):
    """A registration request (RFC 7591 §2). What is not known is ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")

    redirect_uris: list[str] = Field(default=[], max_length=MAX_CALLBACK_URLS)
    grant_types: list[str] = Field(default=["authorization_code"], min_length=1, max_length=3)
    token_endpoint_auth_method: str = "client_secret_basic"  # noqa: S105  # a method's name
    scope: str | None = None
    client_name: str = Field(default="Registered client", min_length=1, max_length=128)


def register_router(parts: Parts) -> APIRouter:
    """The route of the registration endpoint."""
    router = APIRouter()

    @router.post("/oauth2/register")
    async def register(request: Request) -> Response:
        rules = parts.settings.native_registration
        if rules is None:
            return JSONResponse({"error": "not_found"}, status_code=404, headers=NO_STORE)
        try:
            body = await _body(request)
            authorization = request.headers.get("authorization")
            made = await to_thread.run_sync(_register, parts, rules, authorization, body)
        except InvalidToken as error:
            headers = {**NO_STORE, "WWW-Authenticate": f'Bearer error="{error.error}"'}
            return JSONResponse(error.as_dict(), status_code=401, headers=headers)
        except OAuthError as error:
            return JSONResponse(error.as_dict(), status_code=400, headers=NO_STORE)
        return JSONResponse(made, status_code=201, headers=NO_STORE)

    return router


def _register(parts: Parts, rules: NativeRegistration, authorization: str | None, body: bytes) -> dict[str, Any]:
    allowed = _allowed_grants(parts, rules, authorization)
    wanted = _read(body)
    return _create(parts, wanted, _checked_scopes(rules, wanted), allowed)


def _allowed_grants(parts: Parts, rules: NativeRegistration, authorization: str | None) -> list[str]:
    if authorization is None:
        if rules.open:
            return rules.open_grant_types
        raise InvalidToken("An initial access token is needed.")
    scheme, _, token = authorization.partition(" ")
    claims = (
        parts.signer.verified_access_token(token.strip(), now=parts.clock()) if scheme.lower() == "bearer" else None
    )
    if claims is None or REGISTER_SCOPE not in str(claims.get("scope", "")).split():
        raise InvalidToken("The initial access token is not one for registration.")
    return rules.authenticated_grant_types


async def _body(request: Request) -> bytes:
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > _MAX_BODY:
        raise InvalidClientMetadata("The request is too large, or does not say how large it is.")
    return await request.body()


def _read(body: bytes) -> Registration:
    try:
        wanted = Registration.model_validate_json(body)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "body"
        raise InvalidClientMetadata(f"Malformed client metadata: {where}.") from None
    if wanted.token_endpoint_auth_method not in _METHODS:
        raise InvalidClientMetadata("That token_endpoint_auth_method is not supported.")
    if not _NAME.fullmatch(wanted.client_name):
        raise InvalidClientMetadata("The client name has characters that app clients cannot have.")
    if "authorization_code" in wanted.grant_types and not wanted.redirect_uris:
        raise InvalidRedirectUri("A redirect URI is needed.")
    for uri in wanted.redirect_uris:
        if not _is_callback_url(uri):
            raise InvalidRedirectUri(f"This redirect URI cannot be a callback URL: {uri[:200]}")
    return wanted


def _is_callback_url(uri: str) -> bool:
    """https, http on this machine, or a scheme of an app's own; no fragment (Cognito docs › App client settings)."""
    try:
        parts = urlsplit(uri)
        own_scheme = parts.scheme not in ("", "http", "https", "javascript", "data", "file", "vbscript")
        usable = own_scheme or is_loopback(uri) or (parts.scheme == "https" and bool(parts.hostname))
    except ValueError:
        return False
    return usable and "#" not in uri and uri.isascii() and not any(c.isspace() for c in uri)


def _checked_scopes(rules: NativeRegistration, wanted: Registration) -> list[str]:
    allowed = [*_STANDARD, *rules.allowed_scopes]
    if "client_credentials" in wanted.grant_types:
        allowed = rules.allowed_scopes
    scopes = allowed if wanted.scope is None else wanted.scope.split()
    if not scopes or not set(scopes) <= set(allowed):
        raise InvalidClientMetadata("One of the scopes cannot be had by registration.")
    return scopes


def _create(parts: Parts, wanted: Registration, scopes: list[str], allowed: list[str]) -> dict[str, Any]:
    flows = [grant for grant in wanted.grant_types if grant != "refresh_token"]  # Cognito has no flow of that name
    if not flows or not set(flows) <= set(allowed):
        raise InvalidClientMetadata("One of the grant types cannot be had by this kind of registration.")
    public = wanted.token_endpoint_auth_method == "none"  # noqa: S105  # a method's name
    if "client_credentials" in flows and (len(flows) > 1 or public):
        raise InvalidClientMetadata("client_credentials must be the only grant type, with a client secret.")
    made = parts.pool.api.create_user_pool_client(
        UserPoolId=parts.pool.pool_id,
        ClientName=wanted.client_name,
        GenerateSecret=not public,
        CallbackURLs=wanted.redirect_uris,
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthFlows=["code" if flow == "authorization_code" else "client_credentials" for flow in flows],
        AllowedOAuthScopes=scopes,
        SupportedIdentityProviders=["COGNITO"],
        PreventUserExistenceErrors="ENABLED",
    )["UserPoolClient"]
    answer = wanted.model_dump(exclude={"scope"})
    answer |= {"client_id": made.get("ClientId"), "client_id_issued_at": int(parts.clock()), "scope": " ".join(scopes)}
    if not public:
        answer |= {"client_secret": made.get("ClientSecret"), "client_secret_expires_at": 0}
    return answer
