"""Dynamic client registration (RFC 7591)."""

import json
from typing import Any

from conformance.check import Blocked, NotApplicable, Problem, Problems
from conformance.checks.authz import checks
from conformance.checks.authz.authorize import require_control
from conformance.target import Capability
from conformance.views.answers import bearer, fields, media_type, shown, status
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.forms import outcome
from conformance.views.grants import NATIVE, WEB, Client, error_of, registered, tokens
from mcp_demo.exchange.model import Exchange

_CODES = {
    "invalid_redirect_uri",
    "invalid_client_metadata",
    "invalid_software_statement",
    "unapproved_software_statement",
}
_FORBIDDEN = (
    "http://app.conformance.example/callback",
    "https://client.conformance.example/callback#fragment",
    "/callback",
    "javascript:alert(1)//callback",
    "data:text/html,callback",
    "file:///callback",
)
_NEEDS = (Capability.REGISTRATION,)


def _public(server: AuthorizationServer) -> Exchange:
    return server.registration(NATIVE)


def _confidential(server: AuthorizationServer) -> Exchange:
    return server.registration(WEB, token_endpoint_auth_method="client_secret_basic")  # noqa: S106


@checks.add(
    "as.registration.offered",
    "AS-DCR-SUPPORT",
    expected="201 for a minimal registration, where the metadata names a registration endpoint",
    why="Clients that meet a server for the first time have no other way in if it takes no metadata documents.",
    fix="Deploy the endpoint, or take registration_endpoint out of the metadata.",
    cognito="User pools offer none by default: a bridge or a Lambda has to.",
)
def offered(server: AuthorizationServer) -> Problems:
    """A client can register itself."""
    server.endpoint("registration")
    exchange = _public(server)
    if not registered(exchange).get("client_id") and status(exchange) != 401:
        yield Problem(f"{shown(exchange)} for a minimal registration", exchange)


def _made(exchange: Exchange) -> dict[str, Any]:
    if status(exchange) == 401:
        raise NotApplicable("Registration takes an initial access token that the suite does not have.")
    return registered(exchange)


def _control(server: AuthorizationServer) -> Exchange:
    """A good registration, which has to be taken before refusing a bad one means anything.

    Raises:
        Blocked: It is refused.
    """
    exchange = _public(server)
    if not _made(exchange):
        raise Blocked(f"A good registration is answered {shown(exchange)}; as.registration.offered says more.")
    return exchange


@checks.add(
    "as.registration.response",
    "AS-DCR-RESPONSE",
    expected="201, application/json, no-store, client_id, and client_secret_expires_at beside a secret",
    why="A cached response hands the secret to others; without the expiry a client cannot know how long it is good.",
    fix="Answer 201 with Cache-Control: no-store; client_secret_expires_at may be 0.",
    needs=_NEEDS,
)
def response_(server: AuthorizationServer) -> Problems:
    """A registration is answered as it should be."""
    for exchange in (_public(server), _confidential(server)):
        made = _made(exchange)
        if status(exchange) != 201:
            yield Problem(f"{shown(exchange)} instead of 201", exchange)
        if made and media_type(exchange) != "application/json":
            yield Problem(f"content type {media_type(exchange) or 'missing'}", exchange)
        if made and "no-store" not in ",".join(fields(exchange, "cache-control")).lower():
            yield Problem("the response may be cached", exchange)
        if made and not made.get("client_id"):
            yield Problem("client_id is missing", exchange)
        if made.get("client_secret") and not isinstance(made.get("client_secret_expires_at"), int):
            yield Problem("a secret without client_secret_expires_at", exchange)


@checks.add(
    "as.registration.echo",
    "AS-DCR-ECHO",
    expected="all metadata as it was registered, defaults and replaced values included; unknown members ignored",
    why="A client has to learn that a value was replaced, or it will act on the one that it sent.",
    fix="Return the stored metadata, not a fixed selection of it.",
    needs=_NEEDS,
)
def echo(server: AuthorizationServer) -> Problems:
    """The response says what was registered."""
    exchange = server.registration(NATIVE, conformance_unknown="x", client_uri="https://client.conformance.example/")
    made = _made(exchange)
    if not made:
        yield Problem(f"{shown(exchange)} for a registration with an unknown member", exchange)
        return
    for name in ("redirect_uris", "token_endpoint_auth_method", "grant_types", "client_name"):
        if name not in made:
            yield Problem(f"{name} is missing in the response", exchange)
    if "redirect_uris" in made and made["redirect_uris"] != [NATIVE]:
        yield Problem(f"redirect_uris became {made['redirect_uris']}", exchange)


@checks.add(
    "as.registration.auth-method",
    "AS-DCR-AUTH-METHOD",
    expected="none: no secret; nothing said: client_secret_basic with a secret, or another method by name",
    why="A public client cannot keep a secret, and one that is given a secret it did not ask for will not send it.",
    fix="Follow token_endpoint_auth_method, and say in the response which one is registered.",
    needs=_NEEDS,
)
def auth_method(server: AuthorizationServer) -> Problems:
    """Public clients get no secret, and who says nothing gets one."""
    exchange = _public(server)
    made = _made(exchange)
    if made.get("client_secret"):
        yield Problem("a client that registers with `none` is given a secret", exchange)
    if made and made.get("token_endpoint_auth_method", "none") != "none":
        yield Problem(f"`none` became {made['token_endpoint_auth_method']}", exchange)
    silent = server.registration(WEB, token_endpoint_auth_method=None)
    made = registered(silent)
    method = made.get("token_endpoint_auth_method")
    if not made:
        yield Problem(f"{shown(silent)} for a registration that names no method", silent)
    elif method is None:
        yield Problem("the response does not say which method is registered", silent)
    elif str(method).startswith("client_secret") != bool(made.get("client_secret")):
        yield Problem(f"method {method} {'without' if not made.get('client_secret') else 'with'} a secret", silent)


@checks.add(
    "as.registration.redirect-policy",
    "AS-DCR-REDIRECT-POLICY",
    expected="400 invalid_redirect_uri for plain http, fragments, relative and script URIs, and for none at all",
    why="Codes would be sent in clear text, or a registered script would run in the server's own pages.",
    fix="Take https, and http on loopback; refuse everything else by name.",
    needs=_NEEDS,
)
def redirect_policy(server: AuthorizationServer) -> Problems:
    """Only safe redirect URIs are registered."""
    _control(server)
    for uri in _FORBIDDEN:
        exchange = server.registration(uri, application_type=None)
        if status(exchange) < 400:
            yield Problem(f"{uri} is accepted", exchange)
        elif error_of(exchange) != "invalid_redirect_uri":
            yield Problem(f"{uri} is refused with {shown(exchange)}", exchange, soft=True)
    none = server.registration(application_type=None)
    if status(none) < 400:
        yield Problem("a client without redirect URIs is accepted", none)


@checks.add(
    "as.registration.errors",
    "AS-DCR-ERROR",
    expected="400, JSON, and a registered error code",
    why="A client can only correct what it is told in a way that it understands.",
    fix="Validate before storing, and translate every refusal; API Gateway's own messages are no OAuth errors.",
    needs=_NEEDS,
)
def errors(server: AuthorizationServer) -> Problems:
    """Registration errors say what is wrong, in the words of the RFC."""
    _control(server)
    contradiction = server.registration(NATIVE, grant_types=["refresh_token"], response_types=["code"])
    attempts = [
        server.register(None, "Registration that is not JSON", raw=b"client_name=x"),
        server.register(None, "Registration that is an array", raw=b"[]"),
        server.registration(NATIVE, redirect_uris="not a list"),
        server.registration(NATIVE, grant_types="authorization_code"),
        server.registration(_FORBIDDEN[0]),
    ]
    for exchange in attempts:
        if status(exchange) != 400 or error_of(exchange) not in _CODES:
            wrong = json.dumps(error_of(exchange)) if error_of(exchange) else "no error code"
            yield Problem(f"{shown(exchange)}, {wrong}: {exchange.name.lower()}", exchange)
    if status(contradiction) >= 500:
        yield Problem(f"{status(contradiction)} for contradictory grant and response types", contradiction)


@checks.add(
    "as.registration.unique",
    "AS-DCR-UNIQUE",
    expected="another client_id and secret for each registration, each with its own redirect URIs only",
    why="If all share one client, consent given to one is given to all, and each can redeem the codes of the others.",
    fix="Make an id per registration; keep the upstream app client to yourself.",
    cognito="Never hand out the user pool's app client: it has one callback list for everybody.",
    needs=_NEEDS,
)
def unique(server: AuthorizationServer) -> Problems:
    """No two registrations share a client."""
    first, second = _control(server), _confidential(server)
    third = server.registration(WEB, client_name="Another one", token_endpoint_auth_method="client_secret_basic")  # noqa: S106
    ids = [_made(exchange).get("client_id") for exchange in (first, second, third)]
    found = [value for value in ids if value is not None]
    if len(set(found)) != len(found):
        yield Problem("two registrations got the same client_id", third)
        return
    secrets = [_made(exchange).get("client_secret") for exchange in (second, third)]
    if secrets[0] is not None and secrets[0] == secrets[1]:
        yield Problem("two registrations got the same client_secret", third)
    require_control(server, server.client)
    foreign = server.authorize(server.client, "With the redirect URI of another client", redirect_uri=WEB)
    if outcome(foreign, WEB) != "refused":
        yield Problem("the redirect URI of one client works for another", foreign)


@checks.add(
    "as.registration.privilege-cap",
    "AS-DCR-PRIVILEGE-CAP",
    expected="neither privileged scopes nor client_credentials or password for a client that nobody knows",
    why="Anybody can register; what registration gives is given to everybody.",
    fix="Register only the scopes of the resource, and authorization_code and refresh_token.",
    cognito="aws.cognito.signin.user.admin lets a token change its user's profile.",
    needs=_NEEDS,
)
def privilege_cap(server: AuthorizationServer) -> Problems:
    """Registering anonymously gives no privileges."""
    _control(server)
    scopes = "admin aws.cognito.signin.user.admin"
    greedy = server.registration(WEB, scope=scopes, token_endpoint_auth_method="client_secret_basic")  # noqa: S106
    granted = str(registered(greedy).get("scope", "")).split()
    if "aws.cognito.signin.user.admin" in granted or "admin" in granted:
        yield Problem(f"registered with the scopes {' '.join(granted)}", greedy)
    grants = ["authorization_code", "client_credentials", "password"]
    broad = server.registration(WEB, grant_types=grants, token_endpoint_auth_method="client_secret_basic")  # noqa: S106
    got: Any = registered(broad).get("grant_types", [])
    if {"client_credentials", "password"} & set(got):
        yield Problem(f"registered with the grants {', '.join(got)}", broad)
    if not registered(broad).get("client_id"):
        return
    secret: Any = registered(broad).get("client_secret")
    client = Client(registered(broad)["client_id"], WEB, secret, "client_secret_basic" if secret else "none")
    used = server.call(client, {"grant_type": "client_credentials", "scope": scopes}, "Tokens without any user")
    if tokens(used):
        yield Problem("gets tokens for itself, by grant_type=client_credentials", used)


@checks.add(
    "as.registration.initial-token",
    "AS-DCR-INITIAL-TOKEN",
    expected="401 with a Bearer challenge without a token and with a wrong one",
    why="A token that is only checked when it is sent protects nothing.",
    fix="Refuse before reading the body, and say WWW-Authenticate: Bearer.",
    needs=_NEEDS,
)
def initial_token(server: AuthorizationServer) -> Problems:
    """Where registering takes a token, it takes the right one."""
    plain = _public(server)
    if status(plain) not in (401, 403):
        raise NotApplicable("Registration is open.")
    body = {"client_name": "MCP conformance suite", "redirect_uris": [NATIVE]}
    wrong = server.register(
        body, "Registration with a wrong token", headers=(("authorization", "Bearer conformance-wrong"),)
    )
    for exchange in (plain, wrong):
        if status(exchange) != 401 or bearer(exchange) is None:
            yield Problem(f"{shown(exchange)}, {'no ' if bearer(exchange) is None else ''}Bearer challenge", exchange)


@checks.add(
    "as.registration.application-type",
    "AS-DCR-APPLICATION-TYPE",
    expected="native with a loopback URI: 201; web with one: 201 or 400; an unknown value: ignored or 400",
    why="Clients of the newest revision have to send it; a server that stumbles over it locks them out.",
    fix="Read application_type as OpenID Connect has it, or ignore it.",
    needs=_NEEDS,
)
def application_type(server: AuthorizationServer) -> Problems:
    """application_type does no harm."""
    native = _public(server)
    _made(native)
    if not registered(native).get("client_id"):
        yield Problem(f"{shown(native)} for a native client on loopback", native)
    for kind in ("web", "conformance-unknown"):
        exchange = server.registration(NATIVE, application_type=kind)
        if not registered(exchange).get("client_id") and status(exchange) != 400:
            yield Problem(f"{shown(exchange)} for application_type {kind}", exchange)
