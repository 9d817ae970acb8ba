"""The token request and its response, seen from both sides (RFC 6749 §2.3, §3.2, §5 and §6, RFC 8707)."""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from urllib.parse import quote_plus, unquote_plus

from mcp_demo.oauth import scopes as scope_rules
from mcp_demo.oauth.errors import ErrorResponse, InvalidClient, InvalidRequest, ResponseInvalid

AuthMethod = Literal["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """A successful answer of the token endpoint (RFC 6749 §5.1). The secrets stay out of its `repr`."""

    access_token: str = field(repr=False)
    expires_in: int | None = None
    refresh_token: str | None = field(default=None, repr=False)
    scopes: tuple[str, ...] | None = None
    id_token: str | None = field(default=None, repr=False)


def code_form(*, code: str, redirect_uri: str, code_verifier: str, resource: str) -> dict[str, str]:
    """The form of an authorization code exchange (RFC 6749 §4.1.3, RFC 7636 §4.5, RFC 8707 §2.2)."""
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": code_verifier,
        "resource": resource,
    }


def refresh_form(*, refresh_token: str, resource: str) -> dict[str, str]:
    """The form of a refresh (RFC 6749 §6, RFC 8707 §2.2)."""
    return {"grant_type": "refresh_token", "refresh_token": refresh_token, "resource": resource}


def client_authentication(
    method: AuthMethod, client_id: str, client_secret: str | None
) -> tuple[dict[str, str], dict[str, str]]:
    """Headers and form fields by which a client shows who it is (RFC 6749 §2.3.1, §3.2.1).

    Raises:
        ValueError: The method needs a secret and there is none, or it is not one of these three.
    """
    if method == "none":
        return {}, {"client_id": client_id}
    if client_secret is None or method == "private_key_jwt":
        raise ValueError(f"{method} cannot be served by a client secret")
    if method == "client_secret_post":
        return {}, {"client_id": client_id, "client_secret": client_secret}
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
    return {"authorization": "Basic " + b64encode(pair.encode()).decode("ascii")}, {}


@dataclass(frozen=True, slots=True)
class PresentedClient:
    """Who a token request says it is from, and by which method it proves that. Nothing is verified yet."""

    client_id: str
    method: AuthMethod
    client_secret: str | None = field(default=None, repr=False)


def read_client(authorization: str | None, form: Mapping[str, str]) -> PresentedClient:
    """The client of a token request, by exactly one method (RFC 6749 §2.3).

    Raises:
        InvalidRequest: Two methods at once, or two different client ids.
        InvalidClient: No client id, or an Authorization header that is not readable as Basic.
    """
    named = form.get("client_id")
    if authorization is None:
        if named is None:
            raise InvalidClient("The request does not say which client it comes from.")
        secret = form.get("client_secret")
        return PresentedClient(named, "none" if secret is None else "client_secret_post", secret)
    if "client_secret" in form or "client_assertion" in form:
        raise InvalidRequest("The client authenticates by two methods at once.")
    scheme, _, credentials = authorization.partition(" ")
    try:
        pair = b64decode(credentials.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        pair = ""
    client_id, colon, secret = pair.partition(":")
    if scheme.lower() != "basic" or not colon or not client_id:
        raise InvalidClient("The Authorization header is not readable as HTTP Basic client authentication.")
    client_id = unquote_plus(client_id)
    if named is not None and named != client_id:
        raise InvalidRequest("The Authorization header and `client_id` name two different clients.")
    return PresentedClient(client_id, "client_secret_basic", unquote_plus(secret))


def read_response(status: int, document: object) -> TokenResponse:
    """The tokens of a token endpoint's answer (RFC 6749 §5.1).

    Raises:
        ErrorResponse: The server refused (RFC 6749 §5.2).
        ResponseInvalid: The answer is neither an error nor a usable Bearer token.
    """
    members: Mapping[str, Any] = cast("Mapping[str, Any]", document) if isinstance(document, Mapping) else {}
    if status != 200:
        error = members.get("error")
        if not isinstance(error, str):
            raise ResponseInvalid(f"The token endpoint answered {status} without an OAuth error.")
        description = members.get("error_description")
        raise ErrorResponse(error, description if isinstance(description, str) else None, status=status)
    access_token, token_type = members.get("access_token"), members.get("token_type")
    if not isinstance(access_token, str) or not access_token or str(token_type).lower() != "bearer":
        raise ResponseInvalid("The token endpoint answered 200 without a Bearer access token.")
    expires_in, scope = members.get("expires_in"), members.get("scope")
    return TokenResponse(
        access_token=access_token,
        expires_in=int(expires_in) if isinstance(expires_in, int | float) else None,
        refresh_token=_optional(members, "refresh_token"),
        scopes=scope_rules.parse(scope) if isinstance(scope, str) else None,
        id_token=_optional(members, "id_token"),
    )


def _optional(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    return value if isinstance(value, str) and value else None
