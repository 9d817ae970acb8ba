"""What an app asks for when it sends a browser here (Cognito docs › The redirect and authorization endpoint)."""

from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import RedirectResponse

from mcp_demo.local.domain.errors import UnsafeRequest, redirect
from mcp_demo.local.domain.grants import Grant
from mcp_demo.local.domain.parts import Parts
from mcp_demo.local.domain.pool import AppClient
from mcp_demo.oauth import pkce
from mcp_demo.oauth import scopes as scope_rules
from mcp_demo.oauth.authorization import single_valued
from mcp_demo.oauth.errors import (
    InvalidRequest,
    InvalidScope,
    UnauthorizedClient,
    UnsupportedResponseType,
)

_NEED_OPENID = frozenset({"profile", "email", "phone"})
_MAX_QUERY = 8_000


@dataclass(frozen=True, slots=True)
class SignInRequest:
    """An authorization request whose client and redirect URI are known good."""

    client: AppClient
    redirect_uri: str
    state: str | None
    parameters: dict[str, str]

    @property
    def query(self) -> str:
        """The request's parameters, to carry from page to page."""
        return urlencode(self.parameters)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the app asks for, checked."""

    scopes: tuple[str, ...]
    resource: str | None
    nonce: str | None
    code_challenge: str | None


def read_request(parts: Parts, request: Request, parameters: dict[str, str] | None = None) -> SignInRequest:
    """The request of a page, once it is known whom it is from and where the answer may go.

    Args:
        parts: The domain.
        request: The page's.
        parameters: The request's own, when they were kept here meanwhile and are not in the URL.

    Raises:
        UnsafeRequest: Unknown client or unregistered redirect URI: nothing may be sent there.
    """
    if len(request.url.query) > _MAX_QUERY:
        raise UnsafeRequest("invalid_request", "The link is too long.", "Go back to the app and start again.")
    try:
        parameters = parameters or single_valued(request.query_params.multi_items())
    except InvalidRequest as error:
        raise UnsafeRequest("invalid_request", error.description, "Tell the developers of the app.") from None
    client = parts.pool.app_client(parameters.get("client_id", "-"))
    if client is None:
        raise UnsafeRequest(
            "invalid_client",
            "The app that sent you here is not known to this user pool.",
            "Start again from the app. If it happens again, its client ID is wrong.",
        )
    redirect_uri = parameters.get("redirect_uri", "")
    if redirect_uri not in client.callback_urls:
        raise UnsafeRequest(
            "redirect_mismatch",
            "The address to return to is not one that this app has registered.",
            "It must be the same, character by character and port included, as a callback URL of the app client.",
        )
    return SignInRequest(client, redirect_uri, parameters.get("state"), parameters)


def check(parts: Parts, wanted: SignInRequest) -> Wish:
    """What a request asks for.

    Raises:
        OAuthError: To be sent to the redirect URI.
    """
    given = wanted.parameters
    if "response_type" not in given:
        raise InvalidRequest("The parameter response_type is missing.")
    if given["response_type"] not in ("code", "token"):
        raise InvalidRequest("The parameter response_type must be `code`.")
    if given["response_type"] == "token" and "implicit" in wanted.client.flows:
        raise UnsupportedResponseType("The implicit grant is not offered here.")
    if given["response_type"] == "token" or "code" not in wanted.client.flows:
        raise UnauthorizedClient("This app client does not allow that flow.")
    scopes = _scopes(wanted.client, given.get("scope"))
    resource = given.get("resource")
    if resource is not None and parts.pool.is_resource_server(resource):
        scopes = _of_resource(scopes, resource, asked="scope" in given)
    return Wish(scopes, resource, given.get("nonce"), _code_challenge(given))


def _scopes(client: AppClient, value: str | None) -> tuple[str, ...]:
    scopes = client.scopes if value is None else scope_rules.parse(value)
    if scope_rules.missing(scopes, client.scopes):
        raise InvalidScope("The app client does not allow one of these scopes.")
    if value is not None and _NEED_OPENID.intersection(scopes) and "openid" not in scopes:
        raise InvalidScope("The scopes profile, email and phone need openid.")
    if not scopes:
        raise InvalidScope("The app client allows no scopes.")
    return scopes


def _of_resource(scopes: tuple[str, ...], resource: str, *, asked: bool) -> tuple[str, ...]:
    """Custom scopes must belong to the resource; of a client's default scopes, those that do are taken."""
    own = tuple(scope for scope in scopes if "/" not in scope or scope.rpartition("/")[0] == resource)
    if asked and own != scopes:
        raise InvalidRequest("A scope belongs to another resource server than the requested resource.")
    return own


def _code_challenge(given: dict[str, str]) -> str | None:
    challenge, method = given.get("code_challenge"), given.get("code_challenge_method")
    if challenge is None and method is None:
        return None
    if challenge is None or method is None:
        raise InvalidRequest("code_challenge and code_challenge_method go together.")
    if method != "S256" or not pkce.is_challenge(challenge):
        raise InvalidRequest("The code challenge must be S256.")
    return challenge


def with_code(parts: Parts, wanted: SignInRequest, wish: Wish, session: dict[str, str | int]) -> RedirectResponse:
    """The end of a sign-in: back to the app with a code. The redirect carries no `iss`, as Cognito's does not."""
    grant = Grant(
        client_id=wanted.client.client_id,
        username=str(session["username"]),
        sub=str(session["sub"]),
        scopes=wish.scopes,
        redirect_uri=wanted.redirect_uri,
        auth_time=int(session["auth_time"]),
        session_jti=str(session["origin_jti"]),
        resource=wish.resource,
        nonce=wish.nonce,
        code_challenge=wish.code_challenge,
    )
    code = parts.grants.issue_code(grant, now=parts.clock())
    return redirect(wanted.redirect_uri, {"code": code, "state": wanted.state})
