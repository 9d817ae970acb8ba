"""The authorization endpoint before anybody has signed in (OAuth 2.1 §3.1, §4.1.1)."""

from typing import Any

from conformance.check import Blocked, NotApplicable, Problem, Problems
from conformance.checks.authz import checks
from conformance.journey import DENY
from conformance.target import Capability
from conformance.views.answers import fields, media_type, response, shown, status
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.forms import leads_to, location, outcome, parameters
from conformance.views.grants import STATE, Client, error_of
from mcp_demo.exchange.model import Exchange
from mcp_demo.oauth import pkce

_NEEDS = (Capability.CLIENT,)
STRANGER = Client("conformance-unknown", "https://evil.example/callback")


def require_control(server: AuthorizationServer, client: Client) -> Exchange:
    """A good request, which has to be taken: who refuses everybody proves nothing by refusing.

    Raises:
        Blocked: It is refused.
    """
    exchange = server.authorize(client, "A good authorization request")
    if outcome(exchange, client.redirect_uri) != "proceeds":
        raise Blocked(
            f"A good authorization request is answered {shown(exchange)}, so refusing a bad one proves nothing."
        )
    return exchange


def require_endpoint(server: AuthorizationServer) -> None:
    """An authorization endpoint has to be there: what answers nobody proves nothing by what it does not do.

    Raises:
        Blocked: There is none to be seen.
    """
    if Capability.CLIENT in server.target.capabilities:
        require_control(server, server.client)
        return
    exchange = server.authorize(STRANGER, "An unknown client")
    refusing = status(exchange) in (400, 401, 403, 422) or location(exchange) is not None
    if not refusing and outcome(exchange, STRANGER.redirect_uri) != "proceeds":
        raise Blocked(
            f"What answers {shown(exchange)} to an unknown client does not look like an authorization server."
        )


def never_a_code(server: AuthorizationServer, client: Client, name: str, /, **changes: Any) -> Problems:
    """A request that must not lead to a code, neither at once nor after a login."""
    exchange = server.authorize(client, name, **changes)
    what = outcome(exchange, client.redirect_uri)
    if what == "crashed":
        yield Problem(f"{shown(exchange)}: {name.lower()}", exchange)
    elif what == "code":
        yield Problem(f"a code at once: {name.lower()}", exchange)
    elif what == "proceeds":
        journey = server.travel(client, f"{name}, all the way", **changes)
        given = parameters(journey.returned or "")
        if "code" in given or "#" in (journey.returned or ""):
            yield Problem(f"leads to a code after the login: {name.lower()}", exchange)


@checks.add(
    "as.authorize.parameters",
    "AS-AUTHZ-PARAMS",
    expected="unknown parameters have no effect; a repeated one is an error, and redirects to neither value",
    why="If two readers take different values of a repeated parameter, one of them checks what the other uses.",
    fix="Refuse repeated parameters before reading any; only resource may repeat.",
    needs=_NEEDS,
)
def parameters_(server: AuthorizationServer) -> Problems:
    """Unknown parameters are ignored, repeated ones refused."""
    client = server.client
    require_control(server, client)
    unknown = server.authorize(client, "With an unknown parameter", more=(("conformance_unknown", "x"),))
    if outcome(unknown, client.redirect_uri) != "proceeds":
        yield Problem(f"{shown(unknown)} for an unknown parameter", unknown)
    evil = "https://evil.example/callback"
    for name, value in (
        ("client_id", "another"),
        ("redirect_uri", evil),
        ("state", "another"),
        ("code_challenge", "c" * 43),
    ):
        exchange = server.authorize(client, f"With {name} twice", more=((name, value),))
        what = outcome(exchange, client.redirect_uri)
        if what in ("proceeds", "code", "crashed") or leads_to(location(exchange), evil):
            yield Problem(f"{shown(exchange)} for {name} twice", exchange)
    form = {"grant_type": "authorization_code", "code": "a", "client_id": client.client_id, "code_verifier": "v" * 43}
    control = server.token(form, "A token request with a made-up code")
    unknown = server.token({**form, "conformance_unknown": "x"}, "The same with an unknown parameter")
    if error_of(unknown) != error_of(control):
        yield Problem(f"{shown(unknown)}, {error_of(unknown)} for an unknown parameter at the token endpoint", unknown)
    twice = server.token_pairs([*form.items(), ("code", "b")], "A token request with code twice")
    if status(twice) < 400 or error_of(twice) != "invalid_request":
        yield Problem(f"{shown(twice)}, {error_of(twice)} for code twice at the token endpoint", twice)


@checks.add(
    "as.authorize.pkce-required",
    "AS-PKCE-REQUIRED",
    expected="invalid_request for a public client without code_challenge, and never a code",
    why="Without PKCE, whoever sees the code can redeem it.",
    fix="Refuse a request without code_challenge before anything else is asked of the person.",
    cognito="The user pool does not require PKCE; the bridge has to.",
    needs=_NEEDS,
)
def pkce_required(server: AuthorizationServer) -> Problems:
    """Without a code challenge there is no code."""
    client = server.client
    require_control(server, client)
    yield from never_a_code(
        server, client, "Without code_challenge", code_challenge=None, code_challenge_method=None, state=STATE
    )


@checks.add(
    "as.authorize.pkce-method",
    "AS-PKCE-METHOD",
    expected="S256 works; plain (unless announced), unknown methods and no method are refused",
    why="With plain the challenge is the verifier: whoever sees the request can redeem the code.",
    fix="Take S256 only, and only where the request says so.",
    needs=_NEEDS,
)
def pkce_method(server: AuthorizationServer) -> Problems:
    """Only S256 is taken as a challenge method."""
    client = server.client
    require_control(server, client)
    challenge = pkce.challenge(STATE)
    yield from never_a_code(server, client, "With method S512", code_challenge_method="S512", code_challenge=challenge)
    for method, words in (("plain", "With method plain"), (None, "Without a method")):
        for problem in never_a_code(server, client, words, code_challenge_method=method):
            offered = "plain" in server.lists("code_challenge_methods_supported")
            yield Problem(problem.received, problem.exchange, soft=offered)


@checks.add(
    "as.authorize.error",
    "AS-AUTHZ-ERROR",
    expected="unsupported_response_type, invalid_scope and access_denied at the redirect URI, with state, no code",
    why="A client that never hears back waits for ever, and its user does not know why.",
    fix="Once client and redirect URI are known to be good, send every other error there.",
    cognito="The user pool shows its own error page for some errors: check before you redirect to it.",
    needs=_NEEDS,
)
def error(server: AuthorizationServer) -> Problems:
    """A client that is trusted hears of errors."""
    client = server.trusted_client if server.target.client is not None else server.client
    require_control(server, client)
    for name, value, code in (
        ("response_type", "foo", "unsupported_response_type"),
        ("scope", "conformance:unknown", "invalid_scope"),
    ):
        wrong: dict[str, Any] = {name: value}
        exchange = server.authorize(client, f"With an unknown {name}", **wrong)
        what = outcome(exchange, client.redirect_uri)
        given = parameters(location(exchange) or "")
        if what == "error" and given.get("error") not in (code, "invalid_request", "unauthorized_client"):
            yield Problem(f"error {given.get('error')!r} instead of {code}", exchange)
        elif what == "error" and given.get("state") != STATE:
            yield Problem(f"state is {given.get('state')!r} beside {code}", exchange)
        elif what in ("crashed", "code") or (what == "proceeds" and name == "response_type"):
            yield Problem(f"{shown(exchange)} for an unknown {name}", exchange)
        elif what == "refused" and client.trusted:
            yield Problem(f"{shown(exchange)}: the client never hears of an unknown {name}", exchange)
    if Capability.SIGN_IN in server.target.capabilities:
        yield from _denial(server)


def _denial(server: AuthorizationServer) -> Problems:
    denied = server.denied
    returned = denied.returned
    given = parameters(returned or "")
    if not any(name in stop.text for stop in denied.stops for name in DENY):
        return  # nothing asks for consent (as.proxy.consent judges where it has to be asked), so nobody can refuse
    if given.get("error") != "access_denied" or "code" in given:
        yield Problem(f"a refusal ends {'with ' + repr(given.get('error')) if returned else 'before the client'}")


@checks.add(
    "as.authorize.clickjacking",
    "AS-CLICKJACKING",
    expected="Content-Security-Policy: frame-ancestors, or X-Frame-Options, on every page",
    why="In a frame of another site, a person presses Allow without seeing what for.",
    fix="Send frame-ancestors 'none' with every page of the flow, error pages included.",
)
def clickjacking(server: AuthorizationServer) -> Problems:
    """The pages cannot be framed."""
    pages = [server.authorize(STRANGER, "An unknown client")]
    if Capability.CLIENT in server.target.capabilities:
        pages.append(server.authorize(server.client, "A good authorization request"))
        pages += [page for page in [server.following(pages[-1])] if page is not None]
    seen = [page for page in pages if media_type(page) == "text/html"]
    if not seen:
        raise NotApplicable("No page was seen.")
    found = [problem for page in seen for problem in _framed(page)]
    yield from found
    if not found:
        require_endpoint(server)


def _framed(page: Exchange) -> Problems:
    policy = " ".join(fields(page, "content-security-policy")).lower()
    if "frame-ancestors" not in policy and not fields(page, "x-frame-options"):
        yield Problem(f"{page.request.url.partition('?')[0]} can be framed ({page.name.lower()})", page)
    elif "frame-ancestors *" in policy:
        yield Problem("frame-ancestors allows everybody", page)


@checks.add(
    "as.authorize.no-legacy-grants",
    "AS-NO-LEGACY-GRANTS",
    expected="no token from response_type=token, none from grant_type=password",
    why="A token in a URL ends in logs and histories; a password given to a client can be used for everything.",
    fix="Support response_type=code only, and switch both grants off upstream.",
    cognito="Take `implicit` out of AllowedOAuthFlows.",
)
def no_legacy_grants(server: AuthorizationServer) -> Problems:
    """Implicit and password grants are gone."""
    known = Capability.CLIENT in server.target.capabilities
    client = server.client if known else None
    found = [*_password(server, client), *(_implicit(server, client) if client else ())]
    yield from found
    if not found and client is None:
        raise Blocked.without(Capability.CLIENT)
    if not found:
        require_endpoint(server)


def _password(server: AuthorizationServer, client: Client | None) -> Problems:
    form = {"grant_type": "password", "username": "conformance", "password": "conformance", "client_id": "conformance"}
    password = (
        server.call(client, {**form, "client_id": client.client_id}, "Password grant")
        if client
        else server.token(form, "Password grant")
    )
    if status(password) < 400 or (
        client and error_of(password) not in ("unsupported_grant_type", "unauthorized_client", "invalid_request")
    ):
        yield Problem(f"{shown(password)}, {error_of(password)} for grant_type=password", password)
    if "password" in server.lists("grant_types_supported") or "implicit" in server.lists("grant_types_supported"):
        yield Problem("grant_types_supported offers them", server.metadata[0])


def _implicit(server: AuthorizationServer, client: Client) -> Problems:
    implicit = server.authorize(client, "Implicit grant", response_type="token")
    if outcome(implicit, client.redirect_uri) in ("proceeds", "code", "crashed"):
        yield Problem(f"{shown(implicit)} for response_type=token", implicit)


def shows(exchange: Exchange, text: str) -> bool:
    """Whether a page contains a text as it stands, markup included."""
    return text in response(exchange).body.decode("utf-8", "replace")
