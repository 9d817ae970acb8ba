"""`GetDerivedToken`: a token for another resource server in exchange for one (Cognito API reference, RFC 8693).

On AWS the operation belongs to the regional API of user pools. The embedded AWS does not know it, so the domain serves
it at `POST /`. The service model names the members, the errors, the two flows, and that no scope is added. Whatever it
leaves open is decided the strict way here; the row of `parity.toml` says which is which.
"""

import hmac
from typing import Any, Final, Literal

from anyio import to_thread
from botocore.exceptions import BotoCoreError, ClientError
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_pascal

from mcp_demo.local.domain.errors import NO_STORE
from mcp_demo.local.domain.parts import Parts
from mcp_demo.local.domain.pool import AppClient
from mcp_demo.local.domain.signing import TokenFacts
from mcp_demo.local.domain.userinfo import live_user
from mcp_demo.oauth import scopes as scope_rules
from mcp_demo.oauth.token_exchange import acting

TARGET: Final = "AWSCognitoIdentityProviderService.GetDerivedToken"
_MAX_BODY = 64 * 1024
_MAX_SCOPES = 50

Claims = dict[str, Any]
TokenType = Literal["ACCESS_TOKEN", "ID_TOKEN", "SAML2"]


class Wanted(BaseModel):
    """The members of a request, as the service model has them. What it does not have is ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", alias_generator=to_pascal, hide_input_in_errors=True)

    client_id: str
    client_secret: str = Field(default="", repr=False)
    subject_token: str = Field(repr=False)
    subject_token_type: TokenType
    actor_token: str | None = Field(default=None, repr=False)
    actor_token_type: TokenType | None = None
    scopes: list[str] | None = Field(default=None, max_length=_MAX_SCOPES)
    audiences: list[str] = Field(default=[], max_length=1)
    resources: list[str] = Field(default=[], max_length=1)
    requested_token_type: Literal["ACCESS_TOKEN", "ID_TOKEN"] = "ACCESS_TOKEN"  # noqa: S105  # a type's name


class Refused(Exception):
    """An error in the form of AWS.

    Args:
        kind: One of the errors that the service model lists for the operation.
        message: What is wrong, in words.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def derived_token_router(parts: Parts) -> APIRouter:
    """The route of the operation."""
    router = APIRouter()

    @router.post("/")
    async def operation(request: Request) -> Response:
        try:
            if request.headers.get("x-amz-target") != TARGET:
                raise Refused("UnknownOperationException", "This stand-in serves GetDerivedToken only.")
            wanted = await _read(request)
            return _answer(200, await to_thread.run_sync(_derive, parts, wanted))
        except Refused as error:
            return _answer(400, {"__type": error.kind, "message": error.message})
        except (BotoCoreError, ClientError):
            return _answer(500, {"__type": "InternalErrorException", "message": "The embedded AWS failed."})

    return router


def _answer(status: int, members: dict[str, Any]) -> Response:
    return JSONResponse(members, status_code=status, headers=NO_STORE, media_type="application/x-amz-json-1.1")


async def _read(request: Request) -> Wanted:
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > _MAX_BODY:
        raise Refused("InvalidParameterException", "The request is too large, or does not say how large it is.")
    try:
        return Wanted.model_validate_json(await request.body())
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "body"
        raise Refused("InvalidParameterException", f"Malformed or missing: {where}.") from None


def _derive(parts: Parts, wanted: Wanted) -> dict[str, Any]:
    client = _client(parts, wanted)
    resource = _resource(parts, wanted)
    subject = _subject(parts, client, wanted)
    act = _act(parts, client, wanted, subject)
    scopes = _scopes(client, wanted, subject)
    user = live_user(parts, subject)
    if user is None:
        raise Refused("NotAuthorizedException", "The subject token names no user who is signed in.")
    now = int(parts.clock())
    seconds = min(client.access_seconds, subject["exp"] - now)
    facts = TokenFacts(
        client.client_id, scopes, subject["auth_time"], subject["origin_jti"], resource=resource, act=act
    )
    token = parts.signer.access_token(facts, user, now=now, seconds=seconds)
    kinds = {"IssuedTokenType": "ACCESS_TOKEN", "TokenType": "Bearer"}
    return {"IssuedToken": token, **kinds, "ExpiresIn": seconds, "Scopes": list(scopes)}


def _client(parts: Parts, wanted: Wanted) -> AppClient:
    """The requesting app client, if it may do this kind of exchange.

    IAM credentials would do instead of its secret on AWS; what they are worth cannot be seen here.
    """
    client = parts.pool.app_client(wanted.client_id)
    if client is None:
        raise Refused("ResourceNotFoundException", "There is no such app client.")
    # A client without a secret proves nothing by leaving it out.
    if not client.secret or not hmac.compare_digest(client.secret.encode(), wanted.client_secret.encode()):
        raise Refused("NotAuthorizedException", "The app client's secret is wrong or missing.")
    kind = "IMPERSONATION" if wanted.actor_token is None else "DELEGATION"
    if f"ALLOW_TOKEN_EXCHANGE_{kind}" not in client.auth_flows:
        raise Refused("NotAuthorizedException", f"ALLOW_TOKEN_EXCHANGE_{kind} is not a flow of this app client.")
    return client


def _resource(parts: Parts, wanted: Wanted) -> str:
    """Where the new token is for. Ours: it has to be a resource server, where AWS would take an audience, too."""
    if wanted.audiences or not wanted.resources:
        raise Refused("InvalidParameterException", "Name one of Resources, and no Audiences.")
    if not parts.pool.is_resource_server(wanted.resources[0]):
        raise Refused("ResourceNotFoundException", "The target is not a resource server of this user pool.")
    return wanted.resources[0]


def _subject(parts: Parts, client: AppClient, wanted: Wanted) -> Claims:
    """Whom the new token is about.

    Ours: an access token, and one that was meant for the requesting client's own resource server, so that nobody trades
    in what strayed to them.
    """
    if wanted.subject_token_type != "ACCESS_TOKEN" or wanted.requested_token_type != "ACCESS_TOKEN":  # noqa: S105
        raise Refused("InvalidParameterException", "This stand-in exchanges access tokens for access tokens.")
    claims = parts.signer.verified_access_token(wanted.subject_token, now=parts.clock())
    if claims is None:
        raise Refused("NotAuthorizedException", "The subject token is no live access token of this user pool.")
    if not any(scope.startswith(f"{claims.get('aud')}/") for scope in client.scopes):
        raise Refused("NotAuthorizedException", "The subject token was issued for another resource server.")
    return claims


def _act(parts: Parts, client: AppClient, wanted: Wanted, subject: Claims) -> dict[str, Any] | None:
    """Who acts. Ours: the requesting client itself, by a token of its own; nobody names another."""
    if wanted.actor_token is None:
        return None
    if wanted.actor_token_type != "ACCESS_TOKEN":  # noqa: S105  # a type's name
        raise Refused("InvalidParameterException", "ActorTokenType has to be ACCESS_TOKEN in this stand-in.")
    claims = parts.signer.verified_access_token(wanted.actor_token, now=parts.clock())
    if claims is None or not claims.get("sub") == claims.get("client_id") == client.client_id:
        raise Refused("NotAuthorizedException", "The actor token is no live token of the requesting app client.")
    return acting(client.client_id, subject)


def _scopes(client: AppClient, wanted: Wanted, subject: Claims) -> tuple[str, ...]:
    """What was asked for, granted by the person, and allowed to the client: all three. Ours: one must be left."""
    granted = scope_rules.parse(subject.get("scope", ""))
    asked = granted if wanted.scopes is None else wanted.scopes
    scopes = tuple(scope for scope in granted if scope in asked and scope in client.scopes)
    if not scopes:
        raise Refused("NotAuthorizedException", "Nothing of the requested scope can be passed on.")
    return scopes
