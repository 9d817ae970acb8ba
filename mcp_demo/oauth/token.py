"""The token request and its response, seen from both sides (RFC 6749 §2.3, §3.2, §5 and §6, RFC 8707)."""

import json
import re
from base64 import b64decode, b64encode, urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from urllib.parse import quote_plus, unquote_plus

from mcp_demo.oauth import scopes as scope_rules
from mcp_demo.oauth.errors import ErrorResponse, InvalidClient, InvalidRequest, InvalidScope, ResponseInvalid

AuthMethod = Literal["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]
TokenType = Literal["Bearer", "DPoP"]
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_B64TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")  # RFC 6750 §2.1
_DIGITS = re.compile(r"[0-9]{1,10}")
_LONGEST = 2**31 - 1


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
    client_assertion: str | None = field(default=None, repr=False)


def read_client(authorization: str | None, form: Mapping[str, str]) -> PresentedClient:
    """The client of a token request, by exactly one method (RFC 6749 §2.3, RFC 7523 §2.2).

    Raises:
        InvalidRequest: Two methods at once, or two different client ids.
        InvalidClient: No client id, or credentials that are not readable.
    """
    secret, assertion = form.get("client_secret"), form.get("client_assertion")
    if [authorization, secret, assertion].count(None) < 2:
        raise InvalidRequest("The client authenticates by two methods at once.")
    named = form.get("client_id") or None
    if authorization is not None:
        presented = _read_basic(authorization)
    elif assertion is not None:
        presented = _read_assertion(assertion, form.get("client_assertion_type"))
    elif named is None:
        raise InvalidClient("The request does not say which client it comes from.")
    else:
        return PresentedClient(named, "none" if secret is None else "client_secret_post", secret)
    if named is not None and named != presented.client_id:
        raise InvalidRequest("The credentials and `client_id` name two different clients.")
    return presented


def _read_basic(authorization: str) -> PresentedClient:
    scheme, _, credentials = authorization.partition(" ")
    try:
        client_id, colon, secret = b64decode(credentials.strip(), validate=True).decode("utf-8").partition(":")
        client_id, secret = unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except ValueError:  # no ASCII, no base64, no UTF-8
        client_id, colon, secret = "", "", ""
    if scheme.lower() != "basic" or not colon or not client_id:
        raise InvalidClient("The Authorization header is not readable as HTTP Basic client authentication.")
    return PresentedClient(client_id, "client_secret_basic", secret)


def _read_assertion(assertion: str, kind: str | None) -> PresentedClient:
    """The client that an assertion speaks for: its `sub`, of which nothing is verified here (RFC 7523 §3)."""
    try:
        payload = assertion.split(".")[1]
        claims: object = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, IndexError, RecursionError):
        claims = None
    client_id = cast("Mapping[str, object]", claims).get("sub") if isinstance(claims, dict) else None
    if kind != JWT_BEARER or not isinstance(client_id, str) or not client_id:
        raise InvalidClient("`client_assertion` is not readable as a JWT that names its client.")
    return PresentedClient(client_id, "private_key_jwt", client_assertion=assertion)


def read_response(status: int, document: object, token_type: TokenType = "Bearer") -> TokenResponse:  # noqa: S107
    """The tokens of a token endpoint's answer (RFC 6749 §5.1, RFC 9449 §5).

    Args:
        status: The HTTP status.
        document: The parsed body, whatever it is.
        token_type: The only acceptable one. A client that asked for a token bound to its key does not take a bearer
            token for it.

    Raises:
        ErrorResponse: The server refused (RFC 6749 §5.2).
        ResponseInvalid: The answer is neither an error nor a usable access token of that type.
    """
    if status != 200:
        raise read_error(status, document)
    members = _members(document)
    access_token = members.get("access_token")
    if not isinstance(access_token, str) or str(members.get("token_type")).lower() != token_type.lower():
        raise ResponseInvalid(f"The token endpoint answered 200 without a {token_type} access token.")
    if not _B64TOKEN.fullmatch(access_token):
        raise ResponseInvalid("The access token has characters that a Bearer token may not have.")
    return TokenResponse(
        access_token=access_token,
        expires_in=_lifetime(members.get("expires_in")),
        refresh_token=_optional(members, "refresh_token"),
        scopes=_granted(members.get("scope")),
        id_token=_optional(members, "id_token"),
    )


def read_error(status: int, document: object) -> ErrorResponse | ResponseInvalid:
    """What a refusal of a token endpoint says (RFC 6749 §5.2), as an exception to raise."""
    members = _members(document)
    error, description = members.get("error"), members.get("error_description")
    if not isinstance(error, str) or not error:
        return ResponseInvalid(f"The token endpoint answered {status} without an OAuth error.")
    return ErrorResponse(error, description if isinstance(description, str) else None, status=status)


def _members(document: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", document) if isinstance(document, Mapping) else {}


def _lifetime(value: object) -> int | None:
    """Seconds from a number, or from its digits as some servers send them; None where they make no sense."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LONGEST:
        return None
    return int(value)


def _granted(value: object) -> tuple[str, ...] | None:
    """The granted scopes; spaces too many are forgiven, other characters are not."""
    if not isinstance(value, str) or not value.strip(" "):
        return None
    try:
        return scope_rules.parse(" ".join(value.split()))
    except InvalidScope as error:
        raise ResponseInvalid("The token endpoint answered with a malformed `scope`.") from error


def _optional(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    return value if isinstance(value, str) and value else None
