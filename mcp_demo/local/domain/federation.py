"""Signing in through an external OpenID Connect provider (Cognito docs › Using OIDC identity providers).

The provider is one of the pool (`CreateIdentityProvider`). The code exchange uses PKCE, and the ID token is verified.
"""

import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
from botocore.exceptions import ClientError
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from mcp_demo.local.domain.accounts import SignedIn
from mcp_demo.local.domain.errors import NO_STORE, UnsafeRequest, as_redirect
from mcp_demo.local.domain.outcome import finish
from mcp_demo.local.domain.parts import Parts
from mcp_demo.local.domain.pool import error_code
from mcp_demo.local.domain.signin_request import SignInRequest, read_request
from mcp_demo.oauth import pkce
from mcp_demo.oauth.errors import InvalidRequest
from mcp_demo.oauth.resource import is_secure_url

_TIMEOUT = 5
_ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "PS256"]
_LIFETIME = 5 * 60
_SUBJECT = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Provider:
    """An OIDC provider of the pool and its endpoints."""

    name: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str
    authorize_url: str
    token_url: str
    jwks_uri: str
    mapping: dict[str, str]


def federation_router(parts: Parts) -> APIRouter:
    """The routes that lead to a provider and back."""
    router = APIRouter()

    @router.get("/oauth2/idpresponse")
    def response(request: Request) -> Response:
        begun = parts.store.take("federation", request.query_params.get("state", ""))
        if begun is None or begun["form"] != parts.browser.form_token(request):
            raise UnsafeRequest(
                "invalid_request",
                "This answer of the identity provider was not asked for in this browser, or it is too late.",
                "Go back to the app and sign in again.",
            )
        wanted = read_request(parts, request, begun["parameters"])
        try:
            provider = _provider(parts, wanted, begun["provider"])
            claims = _claims(parts, provider, request.query_params, begun)
            username = _user(parts, provider, claims)
        except InvalidRequest as error:
            return as_redirect(error, wanted.redirect_uri, wanted.state)
        return finish(parts, request, wanted, SignedIn(username, str(uuid4())))

    return router


def to_provider(parts: Parts, request: Request, wanted: SignInRequest, name: str) -> Response:
    """The redirect to a provider, with state, nonce and PKCE.

    Raises:
        InvalidRequest: The app client does not offer it.
    """
    provider = _provider(parts, wanted, name)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    form = parts.browser.form_token(request)
    begun = {"parameters": wanted.parameters, "provider": name, "nonce": nonce, "verifier": verifier, "form": form}
    parts.store.put("federation", state, begun, expires=parts.clock() + _LIFETIME)
    query = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": _callback(parts),
        "scope": provider.scope,
        "state": state,
        "nonce": nonce,
        "code_challenge": pkce.challenge(verifier),
        "code_challenge_method": "S256",
    }
    url = provider.authorize_url
    response = RedirectResponse(
        f"{url}{'&' if '?' in url else '?'}{urlencode(query)}", status_code=302, headers=NO_STORE
    )
    parts.browser.set_form(response, form)
    return response


def _callback(parts: Parts) -> str:
    return f"{parts.settings.domain}/oauth2/idpresponse"


def _provider(parts: Parts, wanted: SignInRequest, name: str) -> Provider:
    if name not in wanted.client.providers:
        raise InvalidRequest("The app client does not offer that identity provider.")
    try:
        found = parts.pool.api.describe_identity_provider(UserPoolId=parts.pool.pool_id, ProviderName=name)
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        raise InvalidRequest("There is no such identity provider.") from None
    details = found["IdentityProvider"].get("ProviderDetails", {})
    if found["IdentityProvider"].get("ProviderType") != "OIDC":
        raise InvalidRequest("Only OpenID Connect providers are offered here.")
    issuer = details.get("oidc_issuer", "")
    urls = {"authorize_url": "authorization_endpoint", "token_url": "token_endpoint", "jwks_uri": "jwks_uri"}
    if not all(details.get(key) for key in urls):
        metadata = _json(name, "GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        details = {**{key: str(metadata.get(member, "")) for key, member in urls.items()}, **details}
    for key in urls:
        if not is_secure_url(details[key]):
            raise InvalidRequest(f"{name} Error - {key} is not an https URL")
    return Provider(
        name=name,
        issuer=issuer,
        client_id=details.get("client_id", ""),
        client_secret=details.get("client_secret", ""),
        scope=details.get("authorize_scopes", "openid"),
        authorize_url=details["authorize_url"],
        token_url=details["token_url"],
        jwks_uri=details["jwks_uri"],
        mapping=found["IdentityProvider"].get("AttributeMapping", {}),
    )


def _claims(parts: Parts, provider: Provider, answer: Any, begun: dict[str, Any]) -> dict[str, Any]:
    """The claims of the provider's ID token (OpenID Connect Core §3.1.3.7)."""
    if "code" not in answer:
        raise InvalidRequest(f"{provider.name} Error - {str(answer.get('error', 'no code'))[:100]}")
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": _callback(parts),
        "code_verifier": begun["verifier"],
        "client_id": provider.client_id,
    }
    if provider.client_secret:
        form["client_secret"] = provider.client_secret
    tokens = _json(provider.name, "POST", provider.token_url, form)
    keys = _json(provider.name, "GET", provider.jwks_uri)
    try:
        token = jwt.decode(str(tokens.get("id_token")), KeySet.import_key_set(keys), algorithms=_ALGORITHMS)  # pyright: ignore[reportArgumentType]
    except (JoseError, ValueError, KeyError):
        raise InvalidRequest(f"{provider.name} Error - the ID token is not signed by it") from None
    claims = token.claims
    audience = claims.get("aud")
    expires = claims.get("exp")
    good = (
        claims.get("iss") == provider.issuer
        and provider.client_id in (audience if isinstance(audience, list) else [audience])
        and isinstance(expires, int | float)
        and parts.clock() < expires
        and secrets.compare_digest(str(claims.get("nonce", "")).encode(), begun["nonce"].encode())
        and _SUBJECT.fullmatch(str(claims.get("sub", "")))
    )
    if not good:
        raise InvalidRequest(f"{provider.name} Error - the ID token is not meant for this sign-in")
    return claims


def _user(parts: Parts, provider: Provider, claims: dict[str, Any]) -> str:
    """The profile of a federated user: the one linked to it, else its own, made at the first sign-in."""
    subject = str(claims["sub"])
    attributes = {
        name: str(claims[claim]).lower() if isinstance(claims[claim], bool) else str(claims[claim])
        for name, claim in provider.mapping.items()
        if claim in claims and name not in ("username", "sub")
    }
    username = parts.pool.federated_username(provider.name, subject)
    if username is not None:
        parts.pool.update_user(username, attributes)
        return username
    identity = {"userId": subject, "providerName": provider.name, "providerType": "OIDC", "issuer": None}
    identity |= {"primary": True, "dateCreated": int(parts.clock() * 1000)}
    username = f"{provider.name}_{subject}"
    if not parts.pool.add_federated_user(username, {**attributes, "identities": json.dumps([identity])}):
        raise InvalidRequest("Another account has the name of this one.")  # never sign in to what is not its own
    return username


def _json(provider: str, method: str, url: str, form: dict[str, str] | None = None) -> dict[str, Any]:
    try:
        answer = httpx.request(method, url, data=form, timeout=_TIMEOUT, trust_env=False)
        document = answer.json() if answer.status_code == 200 else None
    except httpx.TimeoutException:
        raise InvalidRequest("Timeout occurred in calling IdP token endpoint") from None
    except (httpx.HTTPError, ValueError):
        raise InvalidRequest(f"{provider} Error - no usable answer") from None
    if not isinstance(document, dict):
        raise InvalidRequest(f"{provider} Error - {answer.status_code} error getting token")
    return document  # pyright: ignore[reportUnknownVariableType]
