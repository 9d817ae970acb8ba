"""Grants: getting tokens for a code, a refresh token or a client's own credentials, and keeping what came of it.

Spec: OAuth 2.1 §3.2, §4.1.3, §4.2 and §4.3, RFC 8707 §2.2.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from mcp_demo.client.credentials import ClientKey
from mcp_demo.client.discovery import Discovery
from mcp_demo.client.errors import RegistrationFailed
from mcp_demo.client.events import Flow, Step, fetch
from mcp_demo.client.pending import PendingAuthorization
from mcp_demo.client.registration import Registration
from mcp_demo.exchange.model import Request, Response
from mcp_demo.oauth import scopes as scope_rules
from mcp_demo.oauth import token, token_exchange
from mcp_demo.oauth.errors import ResponseInvalid


@dataclass(frozen=True, slots=True)
class Grant:
    """What one authorization server gave us for one resource."""

    issuer: str
    resource: str
    client_id: str
    token_endpoint: str
    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    scopes: tuple[str, ...] = ()
    requested: tuple[str, ...] = ()
    revocation_endpoint: str | None = None
    token_type: token.TokenType = "Bearer"  # noqa: S105 - the name of a type

    def is_fresh(self, now: float, leeway: float) -> bool:
        """Whether the access token will still be good in `leeway` seconds."""
        return self.expires_at is None or now + leeway < self.expires_at


def exchange_code(
    pending: PendingAuthorization, registration: Registration, code: str, now: float, key: ClientKey | None = None
) -> Flow[Grant]:
    """Trade an authorization code for tokens (OAuth 2.1 §4.1.3, RFC 7636 §4.5)."""
    form = token.code_form(
        code=code,
        redirect_uri=pending.redirect_uri,
        code_verifier=pending.code_verifier,
        resource=pending.resource,
    )
    step = _step(
        "Trade the code for tokens",
        "The code alone is worthless: only who knows the verifier behind the challenge gets tokens for it.",
        "OAuth 2.1 §4.1.3",
        pending.token_endpoint,
        form,
        _credentials(registration, now, key),
    )
    answer = yield from _tokens(step, registration.token_type)
    requested = pending.scopes or ()
    return Grant(
        issuer=pending.issuer,
        resource=pending.resource,
        client_id=registration.client_id,
        token_endpoint=pending.token_endpoint,
        access_token=answer.access_token,
        refresh_token=answer.refresh_token,
        expires_at=_expiry(answer, now),
        scopes=requested if answer.scopes is None else answer.scopes,
        requested=requested,
        revocation_endpoint=pending.revocation_endpoint,
        token_type=registration.token_type,
    )


def refresh(grant: Grant, registration: Registration, now: float, key: ClientKey | None = None) -> Flow[Grant]:
    """Trade a refresh token for a new access token, keeping the old refresh token unless a new one comes.

    Spec: OAuth 2.1 §4.3, RFC 8707 §2.2.
    """
    if grant.refresh_token is None:
        raise ResponseInvalid("There is no refresh token.")
    step = _step(
        "Refresh the access token",
        "The access token is at its end; the refresh token gets another one without asking the person again.",
        "OAuth 2.1 §4.3.1",
        grant.token_endpoint,
        token.refresh_form(refresh_token=grant.refresh_token, resource=grant.resource),
        _credentials(registration, now, key),
    )
    answer = yield from _tokens(step, grant.token_type)
    return replace(
        grant,
        access_token=answer.access_token,
        refresh_token=answer.refresh_token or grant.refresh_token,
        expires_at=_expiry(answer, now),
        scopes=grant.scopes if answer.scopes is None else answer.scopes,
    )


def revoke(grant: Grant, registration: Registration, now: float, key: ClientKey | None = None) -> Flow[None]:
    """Give a refresh token back, where the server takes it; its answer changes nothing (RFC 7009 §2)."""
    if grant.refresh_token is None or grant.revocation_endpoint is None:
        return
    yield from fetch(
        _step(
            "Give the refresh token back",
            "Logging out ends the grant at the authorization server too; nobody can use the refresh token any more.",
            "RFC 7009 §2.1",
            grant.revocation_endpoint,
            {"token": grant.refresh_token, "token_type_hint": "refresh_token"},
            _credentials(registration, now, key),
        )
    )


def client_credentials(
    found: Discovery,
    registration: Registration,
    scopes: tuple[str, ...] | None,
    now: float,
    key: ClientKey | None = None,
) -> Flow[Grant]:
    """Get a token for the client itself, nobody signing in (OAuth 2.1 §4.2, SEP-1046)."""
    form = {"grant_type": "client_credentials", "resource": found.resource}
    if scopes:
        form["scope"] = scope_rules.join(scopes)
    step = _step(
        "Ask for a token of the client's own",
        "No person is involved: the client shows its own credentials and acts for itself.",
        "OAuth 2.1 §4.2",
        found.metadata.token_endpoint,
        form,
        _credentials(registration, now, key),
    )
    return (yield from _unattended(step, found, registration, scopes, now))


def jwt_bearer(
    found: Discovery,
    registration: Registration,
    assertion: str,
    scopes: tuple[str, ...] | None,
    now: float,
    key: ClientKey | None = None,
) -> Flow[Grant]:
    """Trade a JWT that the authorization server trusts for a token, nobody signing in (RFC 7523 §2.1)."""
    step = _step(
        "Trade the assertion for a token",
        "The authorization server trusts whoever signed the assertion; it says who the client acts for.",
        "RFC 7523 §2.1",
        found.metadata.token_endpoint,
        token_exchange.jwt_bearer_form(assertion=assertion, resource=found.resource, scopes=scopes),
        _credentials(registration, now, key),
    )
    return (yield from _unattended(step, found, registration, scopes, now))


def _unattended(
    step: Step, found: Discovery, registration: Registration, scopes: tuple[str, ...] | None, now: float
) -> Flow[Grant]:
    """The grant of a token request without a person. A refresh token would be of no use, and is dropped."""
    answer = yield from _tokens(step, registration.token_type)
    return Grant(
        issuer=found.metadata.issuer,
        resource=found.resource,
        client_id=registration.client_id,
        token_endpoint=found.metadata.token_endpoint,
        access_token=answer.access_token,
        expires_at=_expiry(answer, now),
        scopes=(scopes or ()) if answer.scopes is None else answer.scopes,
        requested=scopes or (),
        token_type=registration.token_type,
    )


_Credentials = tuple[Mapping[str, str], Mapping[str, str]]


def _credentials(registration: Registration, now: float, key: ClientKey | None) -> _Credentials:
    """Headers and fields by which the client authenticates, in the one way it was registered with (OAuth 2.1 §2.4).

    Raises:
        RegistrationFailed: It was registered with a key, and the key is not at hand.
    """
    if registration.method != "private_key_jwt":
        return token.client_authentication(registration.method, registration.client_id, registration.client_secret)
    if key is None:
        raise RegistrationFailed("This client is registered with a key of its own, which was not given.")
    return {}, key.assertion(registration.client_id, registration.issuer, now)


def _step(name: str, why: str, spec: str, endpoint: str, form: dict[str, str], credentials: _Credentials) -> Step:
    """A token request."""
    headers, fields = credentials
    sent = (("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json"), *headers.items())
    body = urlencode({**form, **fields}).encode()
    return Step(name, why, spec, "client", "authorization server", "token", Request("POST", endpoint, sent, body))


def _tokens(step: Step, token_type: token.TokenType) -> Flow[token.TokenResponse]:
    response = yield from fetch(step)
    return token.read_response(response.status, json_of(response), token_type)


def json_of(response: Response) -> object:
    """The parsed body of a response; None if it is not JSON."""
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        return None


def _expiry(answer: token.TokenResponse, now: float) -> float | None:
    return None if answer.expires_in is None else now + answer.expires_in
