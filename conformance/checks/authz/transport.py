"""Nothing of a login goes over plain http (OAuth 2.1 §1.5, MCP Communication Security)."""

from conformance.check import Problem, Problems
from conformance.checks.authz import checks
from conformance.checks.authz.authorize import STRANGER
from conformance.target import Capability
from conformance.views.answers import shown
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.forms import location, outcome
from conformance.views.grants import error_of
from conformance.wire import GivenUp, Unanswered
from mcp_demo.exchange.model import Exchange, Request
from mcp_demo.oauth.resource import is_secure_url

_FORM = (("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json"))


@checks.add(
    "as.transport.https",
    "AS-HTTPS",
    expected="https in every URL of the metadata (http only on loopback); nothing at work by plain http",
    why="Codes, tokens and passwords would travel in clear text.",
    fix="Build the URLs from the public base URL, not from the request that came through the proxy.",
)
def https(server: AuthorizationServer) -> Problems:
    """All endpoints are served over https."""
    exchange, found = server.metadata
    for name, url in found.items():
        wanted = name == "issuer" or name == "jwks_uri" or name.endswith("_endpoint")
        if wanted and isinstance(url, str) and not is_secure_url(url):
            yield Problem(f"{name} is {url}", exchange)
    yield from _plain(server)


def _plain(server: AuthorizationServer) -> Problems:
    """The same endpoints without TLS: refused, or redirected to https before anything is read."""
    url = server.endpoint("token")
    if not url.startswith("https:"):
        return
    try:
        form = b"grant_type=authorization_code&code=conformance&client_id=conformance"
        request = Request("POST", f"http{url.removeprefix('https')}", _FORM, form)
        answer = server.ask(request, "The token endpoint by plain http", "OAuth 2.1 §1.5")
        if error_of(answer) is not None:
            yield Problem(f"the token endpoint is at work by plain http: {shown(answer)}, {error_of(answer)}", answer)
        client = server.client if Capability.CLIENT in server.target.capabilities else STRANGER
        start = server.authorization_url(client)
        page = server.open(f"http{start.removeprefix('https')}", "A login by plain http", spec="OAuth 2.1 §1.5")
        if outcome(page, client.redirect_uri) in ("code", "error", "elsewhere") or _goes_on(page, client.redirect_uri):
            yield Problem(f"the authorization endpoint is at work by plain http: {shown(page)}", page)
    except GivenUp:
        raise
    except Unanswered:
        return  # nobody listens there, which is as good


def _goes_on(page: Exchange, redirect_uri: str) -> bool:
    """Whether the login goes on here, and not at https."""
    return outcome(page, redirect_uri) == "proceeds" and not (location(page) or "").startswith("https:")
