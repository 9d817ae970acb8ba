"""`POST /oauth2/token` (Cognito docs › The token issuer endpoint)."""

import hmac
from base64 import b64decode
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from mcp_demo.local.domain.claims import user_claims
from mcp_demo.local.domain.errors import NO_STORE
from mcp_demo.local.domain.forms import Form, PostedForm
from mcp_demo.local.domain.grants import Grant
from mcp_demo.local.domain.parts import Parts
from mcp_demo.local.domain.pool import AppClient, User
from mcp_demo.local.domain.signing import TokenFacts
from mcp_demo.oauth import pkce
from mcp_demo.oauth import scopes as scope_rules
from mcp_demo.oauth.errors import (
    InvalidClient,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from mcp_demo.oauth.token import read_client


def token_router(parts: Parts) -> APIRouter:
    """The route of the token endpoint."""
    router = APIRouter()

    @router.post("/oauth2/token")
    def token(request: Request, form: PostedForm) -> Response:
        grant_type = form.get("grant_type")
        if grant_type is None:
            raise InvalidRequest("The parameter grant_type is missing.")
        grant = _GRANTS.get(grant_type)
        if grant is None:
            raise UnsupportedGrantType("The grant type is none of those that are offered.")
        client = authenticated_client(parts, request, form)
        return JSONResponse(grant(parts, client, form), headers=NO_STORE)

    return router


def authenticated_client(parts: Parts, request: Request, form: Form) -> AppClient:
    """The app client a request comes from: with its secret if it has one, by basic or post, else by its id alone.

    Raises:
        InvalidClient: Unknown, or the secret is wrong, missing, or not expected.
    """
    presented = read_client(request.headers.get("authorization"), form)
    client = parts.pool.app_client(presented.client_id)
    if client is None:
        raise InvalidClient("There is no such app client.")
    given = {presented.client_secret or ""}
    if presented.method == "client_secret_basic":
        given.add(_unencoded_secret(request.headers["authorization"]))
    secret = (client.secret or "").encode()
    if not any(hmac.compare_digest(secret, value.encode()) for value in given):
        raise InvalidClient("The app client's secret is wrong or missing.")
    return client


def _unencoded_secret(authorization: str) -> str:
    """A Basic secret as AWS documents it, put in without the form encoding of RFC 6749 §2.3.1.

    Cognito's own secrets read the same both ways; those of the embedded AWS have `+` and `/` in them.
    """
    return b64decode(authorization.partition(" ")[2]).decode().partition(":")[2]


def _exchange(parts: Parts, client: AppClient, form: Form) -> dict[str, Any]:
    code, redirect_uri = form.get("code"), form.get("redirect_uri")
    if code is None or redirect_uri is None:
        raise InvalidRequest("The parameters code and redirect_uri are needed.")
    if "code" not in client.flows:
        raise UnauthorizedClient("This app client does not allow the code grant.")
    now = parts.clock()
    grant = parts.grants.redeem(code, client.client_id)
    if grant is None:
        raise InvalidGrant("The code is used, expired, unknown, or another client's.")
    if grant.redirect_uri != redirect_uri:
        raise InvalidGrant("The redirect URI is not the one that the code was sent to.")
    _check_verifier(grant, form.get("code_verifier"))
    if grant.resource is not None and not parts.pool.is_resource_server(grant.resource):
        raise InvalidGrant("The requested resource is not a resource server of this user pool.")
    answer = _tokens(parts, client, grant, _user(parts, grant))
    return answer | {"refresh_token": parts.grants.issue_refresh_token(grant, expires=now + client.refresh_seconds)}


def _check_verifier(grant: Grant, verifier: str | None) -> None:
    """RFC 7636 §4.6; a verifier for a code without challenge is refused too (OAuth 2.1 §4.1.3)."""
    if grant.code_challenge is None:
        if verifier is not None:
            raise InvalidGrant("The code was requested without a code challenge.")
    elif verifier is None or not pkce.matches(verifier, grant.code_challenge):
        raise InvalidGrant("The code verifier does not fit the code challenge.")


def _refresh(parts: Parts, client: AppClient, form: Form) -> dict[str, Any]:
    token = form.get("refresh_token")
    if token is None:
        raise InvalidRequest("The parameter refresh_token is needed.")
    grant = parts.grants.find(token, client.client_id)
    if grant is None:
        raise InvalidGrant("The refresh token is expired, revoked, unknown, or another client's.")
    user = _user(parts, grant)
    grace = parts.settings.rotation.get(client.client_id)
    if grace is None:
        return _tokens(parts, client, grant, user)
    successor = parts.grants.rotate(token, grant, grace=grace, now=parts.clock())
    if successor is None:
        raise InvalidGrant("The refresh token has been used.")
    return _tokens(parts, client, grant, user) | {"refresh_token": successor}


def _client_credentials(parts: Parts, client: AppClient, form: Form) -> dict[str, Any]:
    """A client's own token. `resource` has no effect on it (Cognito docs › Resource binding)."""
    if client.secret is None or "client_credentials" not in client.flows:
        raise UnauthorizedClient("This app client does not allow the client credentials grant.")
    custom = tuple(scope for scope in client.scopes if "/" in scope)
    scopes = scope_rules.parse(form["scope"]) if "scope" in form else custom
    if not scopes or scope_rules.missing(scopes, custom):
        raise InvalidScope("Only the app client's custom scopes can be had by this grant.")
    now = int(parts.clock())
    facts = TokenFacts(client.client_id, scopes, auth_time=now, origin_jti="")
    token = parts.signer.access_token(facts, None, now=now, seconds=client.access_seconds)
    return {"access_token": token, "expires_in": client.access_seconds, "token_type": "Bearer"}


_GRANTS: dict[str, Callable[[Parts, AppClient, Form], dict[str, Any]]] = {
    "authorization_code": _exchange,
    "refresh_token": _refresh,
    "client_credentials": _client_credentials,
}


def _user(parts: Parts, grant: Grant) -> User:
    user = parts.pool.user(grant.username)
    if user is None or not user.enabled or user.sub != grant.sub:
        raise InvalidGrant("The user is disabled or gone.")
    probe = parts.signer.own_api_token(user, now=int(parts.clock()), origin_jti=grant.session_jti)
    if parts.pool.is_signed_out(probe):
        raise InvalidGrant("The user has signed out everywhere.")
    return user


def _tokens(parts: Parts, client: AppClient, grant: Grant, user: User) -> dict[str, Any]:
    now, facts, groups = int(parts.clock()), grant.facts(), parts.pool.groups(user.username)
    access = parts.signer.access_token(facts, user, now=now, seconds=client.access_seconds, groups=groups)
    answer: dict[str, Any] = {"access_token": access, "expires_in": client.access_seconds, "token_type": "Bearer"}
    if "openid" in grant.scopes:
        answer["id_token"] = parts.signer.id_token(
            facts,
            user,
            user_claims(user.attributes, grant.scopes),
            now=now,
            seconds=client.id_seconds,
            groups=groups,
            access_token=access,
        )
    return answer
