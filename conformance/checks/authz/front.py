"""A browser at a proxy, up to where it is sent on to the authorization server behind (MCP Confused Deputy)."""

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from conformance.check import NotApplicable
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.forms import (
    form_of,
    location,
    new_cookies,
    upstream_request,
)
from conformance.views.grants import Client
from mcp_demo.exchange.model import Exchange, Headers, Request


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
    headers = cookie_header(cookies or {})
    page = server.authorize(client, f"{name} opens the page", headers=headers, again=True)
    before = {**(cookies or {}), **new_cookies(page)}
    straight = upstream_request(location(page), client.redirect_uri)
    if straight is not None:
        return Front(client, page, before, None, before, straight)
    followed = server.following(page)
    shown_page = page if followed is None else followed
    before |= new_cookies(shown_page)
    approved = submit(server, shown_page, before, f"{name} agrees")
    if approved is None:
        return Front(client, shown_page, before, None, before, None)
    after = {**before, **new_cookies(approved)}
    return Front(client, shown_page, before, approved, after, upstream_request(location(approved), client.redirect_uri))


def submit(
    server: AuthorizationServer,
    page: Exchange,
    cookies: dict[str, str],
    name: str,
    *,
    origin: str | None = None,
    drop: bool = False,
) -> Exchange | None:
    """Press the button that agrees; None if there is none.

    Args:
        server: The proxy.
        page: The page with the form.
        cookies: What the browser has.
        name: What this is called in reports.
        origin: Another site that the form is sent from.
        drop: Leave out the form's own tokens.
    """
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
        *cookie_header(cookies),
    )
    request = Request("POST", form.action, headers, urlencode(sent).encode())
    return server.ask(
        request, name, "MCP Security Best Practices › Consent UI Requirements", phase="authorization", again=True
    )


def cookie_header(cookies: dict[str, str]) -> Headers:
    """Cookies as a browser sends them."""
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
