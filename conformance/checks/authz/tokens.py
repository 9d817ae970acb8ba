"""The token endpoint and what it gives (OAuth 2.1 §3.2; RFC 8707; RFC 9068)."""

import json
from base64 import b64encode
from typing import Any, cast

from conformance.check import Blocked, NotApplicable, Problem, Problems
from conformance.checks.authz import checks
from conformance.checks.authz.authorize import never_a_code, require_control
from conformance.checks.authz.codes import attacked
from conformance.issuer import decode
from conformance.target import Capability
from conformance.views.answers import fields, media_type, shown, status
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.forms import location, outcome, parameters
from conformance.views.grants import Client, error_of, tokens
from mcp_demo.exchange.model import Exchange, Request

_FLOW = (Capability.SIGN_IN, Capability.CLIENT)
_CODES = {
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
}
_MOST_SECONDS = 3600


@checks.add(
    "as.token.client-types",
    "AS-CLIENT-TYPES",
    expected="tokens for a public client with PKCE alone, and for a confidential one with its secret",
    why="Clients on people's machines cannot keep a secret; those on servers should have one.",
    fix="Ask for a secret only from clients that registered with one.",
    needs=_FLOW,
)
def client_types(server: AuthorizationServer) -> Problems:
    """Public and confidential clients get tokens."""
    grant, exchange = server.main
    if not tokens(exchange):
        yield Problem(f"{shown(exchange)}, {error_of(exchange)} for a public client ({grant.client.method})", exchange)
        return
    confidential = server.confidential
    answer = server.once(
        "confidential flow",
        lambda: server.redeem(
            server.grant("A confidential client's login", confidential), "The code of a confidential client"
        ),
    )
    if not tokens(answer):
        yield Problem(f"{shown(answer)}, {error_of(answer)} for a confidential client", answer)


@checks.add(
    "as.token.response",
    "AS-TOKEN-RESPONSE",
    expected="200, application/json, access_token, token_type, a number as expires_in, scope where it differs",
    why="A client that cannot read the answer has no token, and one that is not told its scopes assumes wrong ones.",
    fix="Send expires_in as a number, and scope whenever it is not what was asked for.",
    needs=_FLOW,
)
def response_(server: AuthorizationServer) -> Problems:
    """Tokens come in the right form."""
    _, exchange = server.main
    found = tokens(exchange)
    if not found:
        yield Problem(f"{shown(exchange)}, {error_of(exchange)} for a good code", exchange)
        return
    if media_type(exchange) != "application/json":
        yield Problem(f"content type {media_type(exchange) or 'missing'}", exchange)
    if str(found.get("token_type", "")).lower() not in ("bearer", "dpop"):
        yield Problem(f"token_type is {found.get('token_type')!r}", exchange)
    if not isinstance(found.get("expires_in"), int):
        yield Problem(f"expires_in is {found.get('expires_in')!r}", exchange, soft="expires_in" not in found)
    granted = _scopes(found)
    if granted is not None and set(granted) != set(server.scopes[:1]) and "scope" not in found:
        yield Problem("scope is missing, although it is not what was asked for", exchange)


def claims_of(found: dict[str, Any]) -> dict[str, Any] | None:
    """The claims of an access token, unverified; None if it is no JWT."""
    try:
        claims: Any = json.loads(decode(str(found.get("access_token")).split(".")[1]))
    except (IndexError, ValueError):
        return None
    return cast("dict[str, Any]", claims) if isinstance(claims, dict) else None


def _scopes(found: dict[str, Any]) -> list[str] | None:
    """The scopes of the token itself, else what the response says."""
    named: Any = (claims_of(found) or {}).get("scope") or found.get("scope")
    return named.split() if isinstance(named, str) else None


@checks.add(
    "as.token.no-store",
    "AS-TOKEN-NO-STORE",
    expected="Cache-Control: no-store wherever tokens or secrets are",
    why="A cache between would hand one person's token to another.",
    fix="Set the header on the response that is sent, not only on the one from upstream.",
    needs=_FLOW,
)
def no_store(server: AuthorizationServer) -> Problems:
    """No cache keeps tokens."""
    _good(server)
    seen = [("code", server.main[1])]
    if refreshed := server.refreshed:
        seen.append(("refresh", refreshed))
    for name, exchange in seen:
        if tokens(exchange) and "no-store" not in ",".join(fields(exchange, "cache-control")).lower():
            yield Problem(f"the response to a {name} may be stored", exchange)


@checks.add(
    "as.token.error",
    "AS-TOKEN-ERROR",
    expected="400 or 401 with a JSON error code; never HTML, 200 or 5xx",
    why="Clients decide by the code whether to try again, to sign in again, or to give up.",
    fix="Catch what goes wrong upstream, and translate it.",
)
def error(server: AuthorizationServer) -> Problems:
    """Token errors are JSON, with a code that means something."""
    known = Capability.CLIENT in server.target.capabilities
    client = server.client if known else Client("conformance-unknown", "https://client.conformance.example/callback")
    code = {"grant_type": "authorization_code", "code": "conformance", "code_verifier": "v" * 43}
    cases = (
        (server.call(client, {**code, "redirect_uri": client.redirect_uri}, "A made-up code"), "invalid_grant"),
        (server.call(client, {"grant_type": "conformance"}, "An unknown grant"), "unsupported_grant_type"),
        (server.call(client, {"code": "conformance"}, "No grant type"), "invalid_request"),
    )
    url = server.endpoint("token")
    body = Request("POST", url, (("content-type", "application/json"), ("accept", "application/json")), b"{}")
    plain = server.ask(body, "A JSON body", "OAuth 2.1 §3.2")
    for exchange, expected in (*cases, (plain, "invalid_request")):
        found = error_of(exchange)
        if status(exchange) not in (400, 401) and not (exchange is plain and status(exchange) == 415):
            yield Problem(f"{shown(exchange)} instead of 400: {exchange.name.lower()}", exchange)
        elif found not in _CODES or (known and found != expected and exchange is not plain):
            yield Problem(f"error {found!r} instead of {expected}: {exchange.name.lower()}", exchange)
    get = server.ask(Request("GET", url, (("accept", "application/json"),)), "A GET", "OAuth 2.1 §3.2")
    if status(get) < 400 or status(get) >= 500:
        yield Problem(f"{shown(get)} to a GET", get)


@checks.add(
    "as.token.client-auth",
    "AS-TOKEN-CLIENT-AUTH",
    expected="invalid_client without a secret and with a wrong one, 401 with a challenge after Basic",
    why="If the bridge adds the secret for whoever names the client, the secret protects nothing.",
    fix="Check the client's own secret before calling upstream with yours.",
    cognito="The app client's secret belongs to the bridge; its clients have secrets of their own.",
    needs=(Capability.CLIENT,),
)
def client_auth(server: AuthorizationServer) -> Problems:
    """Confidential clients have to prove who they are."""
    client = server.confidential
    form = {
        "grant_type": "authorization_code",
        "code": "conformance",
        "code_verifier": "v" * 43,
        "redirect_uri": client.redirect_uri,
    }
    named = {**form, "client_id": client.client_id}
    wrong = b64encode(f"{client.client_id}:conformance-wrong".encode()).decode()
    right = b64encode(f"{client.client_id}:{client.secret}".encode()).decode()
    control = server.token(form, "With the right secret", headers=(("authorization", f"Basic {right}"),))
    if error_of(control) == "invalid_client":
        yield Problem("the right secret is refused", control)
    for exchange, words in (
        (server.token(named, "Without a secret"), "no secret"),
        (
            server.token({**named, "client_secret": "conformance-wrong"}, "With a wrong secret in the body"),
            "a wrong secret in the body",
        ),
        (server.token(form, "With a wrong secret", headers=(("authorization", f"Basic {wrong}"),)), "a wrong secret"),
    ):
        if error_of(exchange) != "invalid_client":
            yield Problem(f"{shown(exchange)}, {error_of(exchange)} with {words}", exchange)
        elif exchange.request.header("authorization") and (
            status(exchange) != 401 or not fields(exchange, "www-authenticate")
        ):
            yield Problem(f"{status(exchange)} without a challenge for {words} in the Authorization header", exchange)
    both = server.token(
        {**named, "client_secret": client.secret}, "With both methods", headers=(("authorization", f"Basic {right}"),)
    )
    if error_of(both) != "invalid_request":
        yield Problem(
            f"{shown(both)}, {error_of(both)} for two methods at once", both, soft=error_of(both) == "invalid_client"
        )


@checks.add(
    "as.token.audience",
    "AS-TOKEN-AUD",
    expected="aud naming the resource that was asked for, and no other",
    why="A token that is good everywhere can be carried from one server to the next.",
    fix="Bind the token to resource; where the issuer cannot, use scopes that belong to one resource only.",
    cognito="Needs resource binding (managed login, Essentials or Plus). Else only scopes tell.",
    needs=_FLOW,
)
def audience(server: AuthorizationServer) -> Problems:
    """The token is for the resource that was named."""
    _, exchange = server.main
    claims = claims_of(_good(server))
    if claims is None:
        raise NotApplicable("The token is opaque to its client, as it may be.")
    found: Any = claims.get("aud")
    named = [str(item) for item in cast("list[Any]", found)] if isinstance(found, list) else [found] if found else []
    scopes = str(claims.get("scope", "")).split()
    mapped = not named and scopes and all(scope.startswith(server.resource.rstrip("/") + "/") for scope in scopes)
    if named != [server.resource] and not mapped:
        yield Problem(f"aud is {found!r}, asked for was {server.resource}", exchange)


def _good(server: AuthorizationServer) -> dict[str, Any]:
    """The tokens of the main login.

    Raises:
        Blocked: There are none.
    """
    _, exchange = server.main
    if not tokens(exchange):
        raise Blocked(f"The code is answered {shown(exchange)}; as.token.response says more.")
    return tokens(exchange)


@checks.add(
    "as.token.short-lived",
    "AS-TOKEN-SHORT-LIVED",
    expected="at most an hour",
    why="A stolen token works until it expires; nothing else ends it.",
    fix="Set the validity of access tokens to an hour or less, and let clients refresh.",
    needs=_FLOW,
)
def short_lived(server: AuthorizationServer) -> Problems:
    """Access tokens live shortly."""
    _, exchange = server.main
    found = _good(server)
    claims = claims_of(found) or {}
    lifetime: Any = claims["exp"] - claims["iat"] if {"exp", "iat"} <= claims.keys() else found.get("expires_in")
    if isinstance(lifetime, int | float) and lifetime > _MOST_SECONDS:
        yield Problem(f"the token lives {lifetime:.0f} seconds", exchange)
    elif not isinstance(lifetime, int | float):
        yield Problem("nothing says how long the token lives", exchange)


@checks.add(
    "as.token.scope",
    "AS-SCOPE-NO-ESCALATION",
    expected="no scope that was not asked for, agreed to, and allowed, whatever the token request says",
    why="A person agrees to what is shown; a token that can do more was obtained by a trick.",
    fix="Remember the scopes with the code, send them upstream explicitly, and check what comes back.",
    cognito="Without scope, the user pool grants every scope of the app client.",
    needs=_FLOW,
)
def scope(server: AuthorizationServer) -> Problems:
    """The token can do no more than was asked for."""
    _, exchange = server.main
    granted = _scopes(_good(server)) or []
    beyond = set(granted) - set(server.scopes[:1])
    if beyond:
        yield Problem(f"asked for {server.scopes[0]}, got {' '.join(granted)} as well", exchange)
    wider = server.once("wider", lambda: _wider(server))
    more = set(_scopes(tokens(wider)) or []) - set(server.scopes[:1])
    if more:
        yield Problem(f"the token request named more scopes, and got {' '.join(sorted(more))}", wider)
    require_control(server, server.client)
    greedy = "aws.cognito.signin.user.admin"
    refused = server.authorize(
        server.client, "With a scope that is not the client's", scope=f"{server.scopes[0]} {greedy}"
    )
    if outcome(refused, server.client.redirect_uri) == "proceeds" and greedy in parameters(location(refused) or "").get(
        "scope", ""
    ):
        yield Problem(f"{greedy} is passed on", refused)


def _wider(server: AuthorizationServer) -> Any:
    if len(server.every_scope) < 2:
        return server.main[1]
    grant = server.grant("A login whose code is redeemed with more scopes", scope=server.scopes[0])
    return server.redeem(grant, "With more scopes", scope=" ".join(server.every_scope))


@checks.add(
    "as.token.invalid-target",
    "AS-RESOURCE-INVALID-TARGET",
    expected="invalid_target for an unknown, relative or fragment-bearing resource, and for another one than granted",
    why="A resource that is ignored gives a token that is good for something else than was asked for.",
    fix="Compare resource with the one that you issue tokens for, at both endpoints.",
    cognito="The user pool binds tokens to any URL: the bridge has to know its resource.",
    needs=(Capability.CLIENT,),
)
def invalid_target(server: AuthorizationServer) -> Problems:
    """Tokens are issued for known resources only."""
    client = server.trusted_client if server.target.client is not None else server.client
    require_control(server, client)
    for value, words in (
        ("https://other.conformance.example/mcp", "an unknown resource"),
        ("/mcp", "a relative resource"),
        (f"{server.resource}#x", "a resource with a fragment"),
    ):
        exchange = server.authorize(client, f"For {words}", resource=value)
        what = outcome(exchange, client.redirect_uri)
        named = parameters(location(exchange) or "").get("error")
        if what == "error" and named != "invalid_target":
            yield Problem(f"{named} instead of invalid_target for {words}", exchange)
        elif what in ("code", "crashed"):
            yield Problem(f"{shown(exchange)} for {words}", exchange)
        elif what == "proceeds":
            yield from never_a_code(server, client, f"For {words}", resource=value)
    if Capability.SIGN_IN not in server.target.capabilities:
        return
    foreign = attacked(server, "another resource")
    if tokens(foreign) or error_of(foreign) != "invalid_target":
        yield Problem(f"{shown(foreign)}, {error_of(foreign)} for a code with another resource", foreign)


@checks.add(
    "as.token.resource-case",
    "AS-RESOURCE-CASE",
    expected="the same outcome for upper case in scheme and host",
    why="Scheme and host mean the same in any case, and some clients build them so.",
    fix="Bring scheme and host to lower case before comparing.",
    needs=(Capability.CLIENT,),
)
def resource_case(server: AuthorizationServer) -> Problems:
    """Upper case in the resource's scheme and host makes no difference."""
    client = server.client
    require_control(server, client)
    scheme, _, rest = server.resource.partition("://")
    host, slash, path = rest.partition("/")
    loud = f"{scheme.upper()}://{host.upper()}{slash}{path}"
    exchange = server.authorize(client, "With the resource in upper case", resource=loud)
    if outcome(exchange, client.redirect_uri) != "proceeds":
        yield Problem(f"{shown(exchange)} for {loud}", exchange)
    elif Capability.SIGN_IN in server.target.capabilities:
        yield from _same_audience(server, loud)


def _same_audience(server: AuthorizationServer, loud: str) -> Problems:
    expected = (claims_of(_good(server)) or {}).get("aud")
    exchange = server.once("loud", lambda: _asked_for(server, loud))
    found = (claims_of(tokens(exchange)) or {}).get("aud")
    if not tokens(exchange):
        yield Problem(f"{shown(exchange)}, {error_of(exchange)} for a code that was asked for {loud}", exchange)
    elif found != expected:
        yield Problem(f"aud is {found!r} for {loud}, and else {expected!r}", exchange)


def _asked_for(server: AuthorizationServer, resource: str) -> Exchange:
    grant = server.grant("A login for the resource in upper case", scope=server.scopes[0], resource=resource)
    return server.redeem(grant, "The code of the resource in upper case", resource=resource)
