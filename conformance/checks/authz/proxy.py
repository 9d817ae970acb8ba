"""A proxy in front of another authorization server: consent, and the state it sends upstream (MCP Confused Deputy).

All of it is seen without a login: the consent page comes before anybody is sent on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from conformance.check import Blocked, NotApplicable, Problem, Problems
from conformance.checks.authz import checks
from conformance.target import Capability
from conformance.views.answers import response, shown, status
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.forms import (
    cookies_of,
    form_of,
    leads_to,
    location,
    new_cookies,
    pairs,
    parameters,
    text_of,
    upstream_request,
)
from conformance.views.grants import NATIVE, STATE, Client
from mcp_demo.exchange.model import Exchange, Headers, Request

_NEEDS = (Capability.CLIENT,)
_MARKUP = "<b id=conformance>Suite</b>"


@dataclass(frozen=True, slots=True)
class Front:
    """A browser at the proxy: the page, what it sent, and where it was sent upstream."""

    client: Client
    page: Exchange
    before: dict[str, str]
    approved: Exchange | None
    after: dict[str, str]
    upstream: dict[str, str] | None

    @property
    def consented(self) -> bool:
        """Whether a page was shown before anything was sent upstream."""
        return self.approved is not None


def visit(server: AuthorizationServer, client: Client, name: str, cookies: dict[str, str] | None = None) -> Front:
    """Open the authorization endpoint and press the button that agrees."""
    headers = _cookie(cookies or {})
    page = server.authorize(client, f"{name} opens the page", headers=headers, again=True)
    before = {**(cookies or {}), **new_cookies(page)}
    straight = upstream_request(location(page), client.redirect_uri)
    if straight is not None:
        return Front(client, page, before, None, before, straight)
    followed = server.following(page)
    shown_page = page if followed is None else followed
    before |= new_cookies(shown_page)
    approved = _submit(server, shown_page, before, f"{name} agrees")
    if approved is None:
        return Front(client, shown_page, before, None, before, None)
    after = {**before, **new_cookies(approved)}
    return Front(client, shown_page, before, approved, after, upstream_request(location(approved), client.redirect_uri))


def _submit(
    server: AuthorizationServer,
    page: Exchange,
    cookies: dict[str, str],
    name: str,
    *,
    origin: str | None = None,
    drop: bool = False,
) -> Exchange | None:
    form = form_of(page)
    sent = form.pressed() if form is not None else None
    if form is None or sent is None:
        return None
    if drop:
        hidden = {key for key, value in sent if len(value) > 15 and "://" not in value}
        sent = [(key, value) for key, value in sent if key not in hidden]
    own = urlsplit(form.action)
    headers = (
        ("content-type", "application/x-www-form-urlencoded"),
        ("accept", "text/html"),
        ("origin", origin or f"{own.scheme}://{own.netloc}"),
        *((("sec-fetch-site", "cross-site"),) if origin else ()),
        *_cookie(cookies),
    )
    request = Request("POST", form.action, headers, urlencode(sent).encode())
    return server.ask(
        request, name, "MCP Security Best Practices › Consent UI Requirements", phase="authorization", again=True
    )


def _cookie(cookies: dict[str, str]) -> Headers:
    return (("cookie", "; ".join(f"{name}={value}" for name, value in cookies.items())),) if cookies else ()


def proxied(server: AuthorizationServer) -> Front:
    """A client at a proxy that is one static client upstream.

    Raises:
        NotApplicable: Nothing of that kind was seen.
    """
    front = server.once("front", lambda: visit(server, server.client, "A client"))
    if front.upstream is None:
        raise NotApplicable("Nothing was seen of another authorization server behind this one.")
    if front.upstream["client_id"] == front.client.client_id:
        raise NotApplicable("Each client has a client of its own upstream.")
    return front


def _callback(
    server: AuthorizationServer, front: Front, state: str | None, cookies: dict[str, str], name: str
) -> Exchange:
    """Come back from upstream with a made-up code."""
    own = (front.upstream or {})["redirect_uri"]
    query = urlencode([("code", "conformance"), *((("state", state),) if state is not None else ())])
    url = f"{own}{'&' if '?' in own else '?'}{query}"
    return server.open(
        url,
        name,
        spec="MCP Security Best Practices › OAuth State Parameter Validation",
        headers=_cookie(cookies),
        again=True,
    )


def _let_in(front: Front, exchange: Exchange) -> bool:
    return leads_to(location(exchange), front.client.redirect_uri) and "code" in parameters(location(exchange) or "")


def _refuses(front: Front, exchange: Exchange, words: str) -> Problems:
    if leads_to(location(exchange), front.client.redirect_uri):
        given = "a code" if _let_in(front, exchange) else "an answer"
        yield Problem(f"{given} for the client after a callback with {words}", exchange)
    elif status(exchange) >= 500 or status(exchange) == 200:
        yield Problem(f"{shown(exchange)} to a callback with {words}", exchange)


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
        ("without the form's token", _submit(server, front.page, front.before, "Approval without token", drop=True)),
        ("from another origin", _submit(server, front.page, front.before, "Approval from elsewhere", origin=foreign)),
        ("from another browser", _submit(server, front.page, {}, "Approval without cookies")),
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


@checks.add(
    "as.proxy.state",
    "AS-PROXY-STATE",
    expected="another state each time; a callback with none, a changed, a used or another browser's state is refused",
    why="With a state that can be guessed, edited or carried over, a code is delivered to the wrong client or browser.",
    fix="Make it random, seal what it carries, tie it to a cookie, and take it once.",
    needs=_NEEDS,
)
def state(server: AuthorizationServer) -> Problems:
    """The state sent upstream is safe."""
    front = proxied(server)
    assert front.upstream is not None  # noqa: S101 - a proxy
    sent = front.upstream.get("state", "")
    second = server.once("second front", lambda: visit(server, server.client, "The same client again"))
    if not sent or (second.upstream or {}).get("state") == sent:
        yield Problem("the state sent upstream is missing or always the same", front.page)
        return
    changed = sent[:-6] + ("AAAAAA" if not sent.endswith("AAAAAA") else "BBBBBB")
    found: list[Problem] = []
    answers: list[Exchange] = []
    for value, cookies, words in (
        (None, front.after, "no state"),
        (changed, front.after, "a changed state"),
        (sent, {}, "another browser's state"),
    ):
        answers.append(_callback(server, front, value, cookies, f"A callback with {words}"))
        found += _refuses(front, answers[-1], words)
    control = _callback(server, front, sent, front.after, "A callback with the right state")
    spent = {name for name, value, _ in cookies_of(control) if not value}
    rest = {name: value for name, value in {**front.after, **new_cookies(control)}.items() if name not in spent}
    replay = _callback(server, front, sent, rest, "The same state again")
    found += _refuses(front, replay, "a used state")
    if any(value == STATE for _, value in pairs(location(front.approved or front.page) or "")):
        found.append(Problem("the client's own state is sent upstream", front.approved or front.page))
    yield from found
    if not found:
        _require_difference(control, answers)


def _require_difference(control: Exchange, refusals: Sequence[Exchange]) -> None:
    """The right state has to be answered in another way than wrong ones, or refusing those proves nothing.

    Raises:
        Blocked: It is not.
    """
    if all(_same(control, refusal) for refusal in refusals):
        raise Blocked(f"A callback with the right state is answered {shown(control)} too, like those with a wrong one.")


def _same(one: Exchange, other: Exchange) -> bool:
    return (status(one), location(one), response(one).body) == (status(other), location(other), response(other).body)


@checks.add(
    "as.proxy.state-after-consent",
    "AS-PROXY-STATE-AFTER-CONSENT",
    expected="a callback with the cookies from before the approval is refused",
    why="If the cookie is there as soon as the page is, an attacker links past the page, straight to the upstream URL.",
    fix="Set the cookie that the callback checks in the answer to the approval, not before.",
    needs=_NEEDS,
)
def state_after_consent(server: AuthorizationServer) -> Problems:
    """Nothing lets a callback in before the person has agreed."""
    proxied(server)
    front = server.once("third front", lambda: visit(server, server.client, "A client once more"))
    if not front.consented or front.upstream is None:
        raise Blocked("There is no consent page; as.proxy.consent says more.")
    sent = front.upstream.get("state")
    exchange = _callback(server, front, sent, front.before, "A callback that skips the approval")
    found = list(_refuses(front, exchange, "the cookies from before the approval"))
    yield from found
    if not found:
        control = _callback(server, front, sent, front.after, "A callback after the approval")
        _require_difference(control, [exchange])
