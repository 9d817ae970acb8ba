"""The doctor's way through a login: to the sign-in page without credentials, and with them to a token that works.

Only what the suite's view of an authorization server can do is used; here it is read for what Cognito says on the way,
since a bridge in front of it tells its clients nothing of that.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from conformance.doctor_findings import Finding, Unknown
from conformance.doctor_illnesses import Layer
from conformance.journey import Journey
from conformance.views.answers import bearer, members, response
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.forms import form_of, leads_to, location, new_cookies, parameters, text_of
from conformance.views.grants import Client
from conformance.views.resource_server import ResourceServer
from mcp_demo.exchange.model import Exchange, Request

_MOST_HOPS = 10
_UNAVAILABLE = re.compile(r"login pages? (is |are )?unavailable", re.IGNORECASE)
_CODES = re.compile(
    r"\b(redirect_mismatch|invalid_scope|invalid_request|invalid_client|unauthorized_client|server_error)\b"
)
_PASSWORD = re.compile(r"<input[^>]+type=[\"']?password", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Way:
    """How far a browser came.

    Args:
        urls: The URL of every navigation.
        returned: The redirect URI with its parameters; None if the way ended before.
        text: What can be read on the last page.
        html: Its source.
    """

    urls: tuple[str, ...]
    returned: str | None
    text: str = ""
    html: str = ""

    @property
    def upstream(self) -> str:
        """The last authorization request on the way: where there is a bridge, the one to the user pool."""
        return next((url for url in reversed(self.urls) if "client_id" in parameters(url)), self.urls[0])

    @property
    def at_pool(self) -> bool:
        """Whether that was a user pool's, to go by the path that every one of them has."""
        parts = urlsplit(self.upstream)
        return parts.path.endswith(("/oauth2/authorize", "/login", "/error")) or "amazoncognito" in parts.netloc

    @property
    def error(self) -> tuple[str, str] | None:
        """The first error on the way, with its description: the one nearest to the cause."""
        for url in (*self.urls, self.returned or ""):
            given = parameters(url)
            if "error" in given:
                return given["error"], given.get("error_description", "")
        if _UNAVAILABLE.search(self.text):
            return "unavailable", self.text[:120]
        found = _CODES.search(self.text) if self.returned is None else None
        return (found[1], self.text[:200]) if found else None

    @property
    def at_sign_in(self) -> bool:
        """Whether it ended at a page that asks who is there."""
        return _PASSWORD.search(self.html) is not None or 'name="username"' in self.html


def wanted_scopes(server: AuthorizationServer) -> str | None:
    """What a client asks for at first (MCP Authorization › Scope Selection Strategy)."""
    resource = server.session.view(ResourceServer)
    found = bearer(resource.anonymous)
    hinted = found.parameters.get("scope") if found else None
    listed: Any = resource.metadata[1].get("scopes_supported")
    return hinted or " ".join(_texts(listed)) or None


def walk(server: AuthorizationServer, client: Client, **changes: str | None) -> Way:
    """Go to the sign-in page like a browser that has no session, agreeing on the way. No credential is used."""
    url = server.authorization_url(client, more=(), **changes)
    jars: dict[str, dict[str, str]] = {}
    urls, exchange = [url], _open(server, jars, "GET", url)
    for _ in range(_MOST_HOPS):
        target = location(exchange)
        if target is not None:
            urls.append(target)
            if leads_to(target, client.redirect_uri):
                return Way(tuple(urls), target)
            exchange = _open(server, jars, "GET", target)
            continue
        form = form_of(exchange)
        agreed = form.pressed() if form is not None and not _PASSWORD.search(_html(exchange)) else None
        if form is None or agreed is None:
            break
        exchange = _open(server, jars, "POST", form.action, urlencode(agreed).encode())
    return Way(tuple(urls), None, text_of(_html(exchange)), _html(exchange))


def _open(
    server: AuthorizationServer, jars: dict[str, dict[str, str]], method: str, url: str, body: bytes = b""
) -> Exchange:
    parts = urlsplit(url)
    jar = jars.setdefault(parts.netloc, {})
    headers = [("accept", "text/html")]
    if jar:
        headers.append(("cookie", "; ".join(f"{name}={value}" for name, value in jar.items())))
    if method == "POST":
        headers.append(("content-type", "application/x-www-form-urlencoded"))
        headers.append(("origin", f"{parts.scheme}://{parts.netloc}"))
    request = Request(method, url, tuple(headers), body)
    exchange = server.ask(
        request, "On the way to the sign-in page", "OAuth 2.1 §4.1.1", phase="authorization", again=True
    )
    jar.update(new_cookies(exchange))
    return exchange


def _html(exchange: Exchange) -> str:
    return response(exchange).body.decode("utf-8", "replace")


def of_journey(url: str, journey: Journey) -> Way:
    """The way that a signed-in browser went."""
    last = journey.last
    urls = (url, *journey.hops)
    return Way(urls, journey.returned, last.text if last else "", last.html if last else "")


def refused(way: Way, client: Client) -> Iterator[Finding]:
    """What kept the browser from the sign-in page, or from coming back with a code."""
    if way.error is not None:
        yield from _refused(way, *way.error)
    elif way.returned is None and not way.at_sign_in:
        where = urlsplit(way.urls[-1])
        yield _finding(
            "sign-in",
            "as.metadata.truthful",
            "The pages do not lead to a sign-in",
            f"They end at {where.netloc}{where.path}: “{way.text[:160]}”",
            "People are stuck on a page that offers nothing to do.",
            "Open the authorization URL in a browser, and look into the log of the part that serves this page.",
        )
    elif way.returned is not None and not leads_to(way.returned, client.redirect_uri):
        raise Unknown("The way back led somewhere else.")


def _refused(way: Way, code: str, description: str) -> Iterator[Finding]:
    given = parameters(way.upstream)
    app = f"app client {given.get('client_id', '?')}"
    saw = f"{code}: {description}".rstrip(": ")
    row = ROWS.get(code) if way.at_pool or code in _PAGES else None
    if row is None:
        yield _finding(
            "Cognito" if way.at_pool else "sign-in",
            "as.authorize.error",
            "The authorization request is refused",
            f"{saw}, to a request by {app}",
            "Nobody gets as far as the sign-in page.",
            "Compare the request with the settings of the app client: grant type, scopes, callback URLs, identity"
            " provider.",
        )
        return
    check, name, why, change = row
    facts = {"app": app, "uri": given.get("redirect_uri", "?"), "scope": given.get("scope", "none")}
    facts["resource"] = given.get("resource", "none")
    asked = f"{saw} (scope {facts['scope']}; resource {facts['resource']})"
    yield _finding("Cognito", check, name, asked, why, change.format(**facts))


_PAGES = ("redirect_mismatch", "unavailable")
"""What only Cognito says."""
ROWS = {
    "redirect_mismatch": (
        "as.redirect.exact",
        "The app client does not know the callback URL",
        "Cognito compares callback URLs character by character, port and slash included.",
        "Add {uri} to the allowed callback URLs of {app} (console: App clients › Login pages › Edit; templates:"
        " CallbackURLs, which follow BridgeUrl and StaticClientUrl of identity.yaml).",
    ),
    "unavailable": (
        "as.metadata.truthful",
        "Cognito has no login page for this app client",
        "An app client made by an API or by CloudFormation shows no managed login until it has a style.",
        "Give {app} a style: console › Managed login › Styles › Create a style, or AWS::Cognito::ManagedLoginBranding"
        " with UseCognitoProvidedValues: true (BridgeLoginStyle, StaticClientLoginStyle in identity.yaml). A pool has"
        " at most 20.",
    ),
    "invalid_scope": (
        "rs.metadata.scopes-minimal",
        "The app client does not allow the scopes that clients ask for",
        "Clients ask for what the 401 or the resource metadata lists; one scope too many refuses the whole login.",
        "Allow them on {app} (console: App clients › Login pages › Custom scopes; template: AllowedOAuthScopes), or"
        " list only those of this server ({scope}). The user pool's scopes_supported are pool-wide: do not copy them.",
    ),
    "invalid_request": (
        "rs.metadata.scopes-minimal",
        "A scope belongs to another resource server than the resource",
        "With a resource in the request, Cognito takes custom scopes of that resource server only.",
        "List scopes that begin with {resource}/ only, in the 401 and in the metadata; those of other resource servers"
        " of the pool ({scope}) need a login of their own.",
    ),
    "invalid_client": (
        "as.token.client-auth",
        "The user pool does not know the app client",
        "The client id belongs to another pool or Region, or was deleted.",
        "Correct the client id: on our bridge MCP_DEMO_BRIDGE_CLIENT_ID, which `mcp-demo deploy` writes. Asked was with"
        " {app}.",
    ),
    "unauthorized_client": (
        "as.authorize.no-legacy-grants",
        "The app client does not allow the authorization code grant",
        "MCP clients use nothing else for people.",
        "Switch it on for {app} (console: App clients › Login pages › OAuth grant types; template: AllowedOAuthFlows:"
        " [code] with AllowedOAuthFlowsUserPoolClient: true).",
    ),
}
"""For each error of Cognito: the check that tells more, what is wrong, why it matters, what to change."""


def foreign_scopes(server: AuthorizationServer) -> Iterator[Finding]:
    """Scopes in the metadata that are those of another resource server: seen without any login."""
    exchange, document = server.session.view(ResourceServer).metadata
    listed: Any = (members(exchange) or {}).get("scopes_supported")
    resource = str(document.get("resource"))
    foreign = [scope for scope in _texts(listed) if "://" in scope and scope.rpartition("/")[0] != resource]
    if foreign:
        yield _finding(
            "resource metadata",
            "rs.metadata.scopes-minimal",
            "The metadata lists scopes of another resource server",
            f"{', '.join(foreign)}; the resource is {resource}",
            "Clients ask for all of them with this resource, and Cognito refuses the request with invalid_request.",
            f"List only scopes that begin with {resource}/. The scopes_supported of a user pool are pool-wide.",
        )


def _texts(value: object) -> list[str]:
    return [str(item) for item in cast("list[object]", value)] if isinstance(value, list) else []


def _finding(layer: Layer, check: str, name: str, saw: str, why: str, change: str) -> Finding:
    return Finding(layer, check, name, saw, why, change)
