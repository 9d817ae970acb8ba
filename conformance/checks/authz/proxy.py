"""A proxy in front of another authorization server: the consent it asks for (MCP Confused Deputy).

All of it is seen without a login: the consent page comes before anybody is sent on.
"""

from conformance.check import Blocked, Problem, Problems
from conformance.checks.authz import checks
from conformance.checks.authz.front import proxied, submit, visit
from conformance.target import Capability
from conformance.views.answers import response
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.forms import (
    cookies_of,
    location,
    parameters,
    text_of,
    upstream_request,
)
from conformance.views.grants import NATIVE, Client
from mcp_demo.exchange.model import Exchange

_NEEDS = (Capability.CLIENT,)
_MARKUP = "<b id=conformance>Suite</b>"


@checks.add(
    "as.proxy.consent",
    "AS-PROXY-CONSENT",
    expected="a consent page of its own for each client, before anybody is sent upstream; access_denied on refusal",
    why="The user's session upstream completes any login silently: a stranger's client would get tokens unseen.",
    fix="Show a page that names the client, and go on only after the person has agreed for this very client.",
    cognito="The user pool's session cookie lasts an hour; its sign-in page will not be seen again.",
    needs=_NEEDS,
)
def consent(server: AuthorizationServer) -> Problems:
    """Each client needs the person's consent."""
    front = proxied(server)
    if not front.consented:
        yield Problem("the request is sent on upstream before the person is asked", front.page)
        return
    try:
        other = server.other_client
    except Blocked:
        other = front.client
    second = visit(server, other, "Another client, in the same browser,", front.after)
    if not second.consented:
        yield Problem("after one client was agreed to, another is sent on without a question", second.page)
    if Capability.SIGN_IN in server.target.capabilities:
        yield from _signed_in(server, other)


def _signed_in(server: AuthorizationServer, other: Client) -> Problems:
    """With a session upstream, the second client is still asked about."""
    server.main  # noqa: B018 - the login that leaves a session upstream
    journey = server.once(
        "second consent", lambda: server.travel(other, "Another client, with a session", approve=False)
    )
    if "code" in parameters(journey.returned or ""):
        yield Problem("with a session upstream, another client gets a code although the person would have refused")
    elif journey.returned is not None and parameters(journey.returned).get("error") != "access_denied":
        yield Problem(f"a refusal is told as {parameters(journey.returned).get('error')}")


@checks.add(
    "as.proxy.consent-page",
    "AS-PROXY-CONSENT-UI",
    expected="client name, scopes and redirect URI on the page, as text",
    why="People can only agree to what they see, and a name is whatever a stranger wrote.",
    fix="Show all three, escaped.",
    needs=_NEEDS,
)
def consent_page(server: AuthorizationServer) -> Problems:
    """The page says what is agreed to."""
    proxied(server)
    client = server.once("named client", lambda: _named(server))
    page = server.authorize(client, "A client whose name is markup")
    page = server.following(page) or page
    source = response(page).body.decode("utf-8", "replace")
    text = text_of(source)
    if _MARKUP.partition(">")[0] in source:
        yield Problem("the client's name is put into the page as markup", page)
    elif "Suite" not in text:
        yield Problem("the page does not name the client", page)
    if client.redirect_uri not in text:
        yield Problem("the page does not show the redirect URI", page)
    if server.scopes and server.scopes[0] not in text:
        yield Problem(f"the page does not show the scope {server.scopes[0]}", page)


def _named(server: AuthorizationServer) -> Client:
    if server.target.may_register and isinstance(server.metadata[1].get("registration_endpoint"), str):
        return server.registered_client(NATIVE, client_name=_MARKUP)
    if server.takes_documents:
        return server.publish("/named.json", client_name=_MARKUP)
    raise Blocked.without(Capability.REGISTRATION)


@checks.add(
    "as.proxy.consent-integrity",
    "AS-PROXY-CONSENT-INTEGRITY",
    expected="no approval without the form's token, from another origin, or from another browser; safe cookies",
    why="A page of a stranger could press the button for the person.",
    fix="Seal the request into the form, tie it to a cookie that is HttpOnly, SameSite=Lax, Secure, __Host-.",
    needs=_NEEDS,
)
def consent_integrity(server: AuthorizationServer) -> Problems:
    """Consent cannot be forged."""
    front = proxied(server)
    if not front.consented:
        raise Blocked("There is no consent page; as.proxy.consent says more.")
    foreign = "https://evil.example"
    attempts = (
        ("without the form's token", submit(server, front.page, front.before, "Approval without token", drop=True)),
        ("from another origin", submit(server, front.page, front.before, "Approval from elsewhere", origin=foreign)),
        ("from another browser", submit(server, front.page, {}, "Approval without cookies")),
    )
    for words, exchange in attempts:
        if exchange is not None and upstream_request(location(exchange), front.client.redirect_uri) is not None:
            yield Problem(f"an approval {words} counts", exchange)
    secure = front.page.request.url.startswith("https:")
    assert front.approved is not None  # noqa: S101 - consented
    for exchange in (front.page, front.approved):
        for name, _, attributes in cookies_of(exchange):
            yield from _cookie_problems(name, attributes, exchange, secure=secure)


def _cookie_problems(name: str, attributes: dict[str, str], exchange: Exchange, *, secure: bool) -> Problems:
    if "httponly" not in attributes:
        yield Problem(f"the cookie {name} can be read by scripts", exchange)
    if attributes.get("samesite", "").lower() not in ("lax", "strict"):
        yield Problem(f"the cookie {name} is sent from other sites (no SameSite)", exchange)
    if secure and ("secure" not in attributes or not name.startswith("__Host-")):
        yield Problem(f"the cookie {name} is not Secure with the prefix __Host-", exchange)
