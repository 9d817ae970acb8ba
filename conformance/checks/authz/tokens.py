"""The token endpoint and its answers (OAuth 2.1 §3.2)."""

from base64 import b64encode

from conformance.check import Problem, Problems
from conformance.checks.authz import checks
from conformance.target import Capability
from conformance.views.answers import fields, media_type, shown, status
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.grants import NATIVE, Client, error_of, scopes_of, tokens
from mcp_demo.exchange.model import Request

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
    granted = scopes_of(found)
    if granted is not None and set(granted) != set(server.scopes[:1]) and "scope" not in found:
        yield Problem("scope is missing, although it is not what was asked for", exchange)


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
    server.granted  # noqa: B018 - without tokens there is nothing to keep
    seen = [("code", server.main[1])]
    if refreshed := server.refreshed:
        seen.append(("refresh", refreshed))
    for name, exchange in seen:
        if tokens(exchange) and "no-store" not in ",".join(fields(exchange, "cache-control")).lower():
            yield Problem(f"the response to a {name} may be stored", exchange)
    form = {"grant_type": "authorization_code", "code": "conformance", "code_verifier": "v" * 43}
    refusal = server.call(server.main[0].client, {**form, "redirect_uri": NATIVE}, "A made-up code")
    if "no-store" not in ",".join(fields(refusal, "cache-control")).lower():
        yield Problem("an error of the token endpoint may be stored", refusal, soft=True)


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
