"""Authorization server metadata (RFC 8414, OpenID Connect Discovery, MCP Authorization Server Discovery)."""

from typing import Any
from urllib.parse import urlsplit

from conformance.check import Blocked, NotApplicable, Problem, Problems
from conformance.checks.authz import checks
from conformance.views.answers import media_type, members, shown, status
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.grants import WEB, error_of
from conformance.wire import GivenUp, Unanswered
from mcp_demo.exchange.model import Request
from mcp_demo.oauth.resource import is_secure_url

_OAUTH = "/.well-known/oauth-authorization-server"
_OIDC = "/.well-known/openid-configuration"
_POST = "client_secret_post"
_REQUIRED = ("issuer", "authorization_endpoint", "token_endpoint", "response_types_supported")


@checks.add(
    "as.metadata.published",
    "AS-META-ONE-OF",
    expected="200 with a JSON object at one of the addresses derived from the issuer",
    why="A client knows nothing but the issuer; if no address derived from it has the metadata, it cannot go on.",
    fix="Serve the RFC 8414 document at /.well-known/oauth-authorization-server.",
    cognito="A user pool serves OpenID discovery only; under 2025-06-18 that does not count, so put a bridge in front.",
)
def published(server: AuthorizationServer) -> Problems:
    """The metadata is where clients look for it."""
    found = server.published
    if not found:
        for exchange in server.documents:
            yield Problem(f"{shown(exchange)} at {exchange.request.url}", exchange)
    elif server.target.revision == "2025-06-18" and not any(_OAUTH in exchange.request.url for exchange in found):
        yield Problem("only an OpenID discovery document, which 2025-06-18 does not know", found[0])


@checks.add(
    "as.metadata.location",
    "AS-META-LOCATION",
    expected="RFC 8414: the well-known part between host and path; OpenID Connect: behind the path",
    why="Clients build these addresses themselves and look nowhere else.",
    fix="Route the well-known path on the host itself, with the issuer's path behind it.",
)
def location(server: AuthorizationServer) -> Problems:
    """The documents of an issuer with a path are where the rules put them."""
    parts = urlsplit(server.issuer)
    path = parts.path.rstrip("/")
    if not path:
        raise NotApplicable("The issuer has no path, so that both forms are the same.")
    right = (f"{parts.scheme}://{parts.netloc}{_OAUTH}{path}", f"{parts.scheme}://{parts.netloc}{path}{_OIDC}")
    if any(members(server.document(url)) is not None for url in right):
        return
    appended = server.document(f"{parts.scheme}://{parts.netloc}{path}{_OAUTH}")
    where = f", but {appended.request.url} has it" if members(appended) is not None else ""
    yield Problem(f"neither {right[0]} nor {right[1]} has a document{where}", appended)


@checks.add(
    "as.metadata.issuer",
    "AS-META-ISSUER-IDENTICAL",
    expected="issuer equal to the value in authorization_servers, byte for byte",
    why="Otherwise one server can pose as another; clients have to refuse such metadata.",
    fix="Publish the issuer from the configuration, the same string in both documents.",
    cognito="A bridge that passes the user pool's document on passes on its cognito-idp issuer too.",
)
def issuer(server: AuthorizationServer) -> Problems:
    """The issuer in the metadata is the one that led there."""
    for exchange in server.published or [server.metadata[0]]:
        found = (members(exchange) or {}).get("issuer")
        if found != server.issuer:
            yield Problem(f"issuer is {found!r}, the resource names {server.issuer!r}", exchange)


@checks.add(
    "as.metadata.fields",
    "AS-META-FIELDS",
    expected="application/json with issuer, authorization_endpoint, token_endpoint, response_types_supported: [code]",
    why="A strict client refuses the whole document for one null or one missing member.",
    fix="Leave out what is not offered, and send the document as application/json.",
)
def fields(server: AuthorizationServer) -> Problems:
    """The metadata is complete and well formed."""
    exchange, found = server.metadata
    if media_type(exchange) != "application/json":
        yield Problem(f"content type {media_type(exchange) or 'missing'}", exchange)
    for name in _REQUIRED:
        if name not in found:
            yield Problem(f"{name} is missing", exchange)
    for name, value in found.items():
        if value is None or value == [] or value == "":
            yield Problem(f"{name} is {value!r}", exchange)
    if "code" not in server.lists("response_types_supported") and "response_types_supported" in found:
        yield Problem("response_types_supported does not include code", exchange)
    named: Any = found.get("issuer")
    if isinstance(named, str) and (urlsplit(named).query or "#" in named or not is_secure_url(named)):
        yield Problem(f"the issuer {named} is not https, or has a query or fragment", exchange)


@checks.add(
    "as.metadata.pkce",
    "AS-META-PKCE-ADVERTISED",
    expected="code_challenge_methods_supported with S256, in every document",
    why="Without it, clients have to refuse to go on: they cannot know that a stolen code would be worthless.",
    fix='Add "code_challenge_methods_supported": ["S256"].',
    cognito="The user pool's own openid-configuration lacks it; this alone makes a bridge necessary.",
)
def pkce(server: AuthorizationServer) -> Problems:
    """PKCE with S256 is announced."""
    for exchange in server.published or [server.metadata[0]]:
        methods = (members(exchange) or {}).get("code_challenge_methods_supported")
        if not isinstance(methods, list) or "S256" not in methods:
            yield Problem(f"code_challenge_methods_supported is {methods!r}", exchange)
        elif "plain" in methods:
            yield Problem("plain is offered too, which protects nothing", exchange, soft=True)


@checks.add(
    "as.metadata.truthful",
    "AS-META-TRUTHFUL",
    expected="each endpoint there (no 404, no 5xx), and `none` among the methods where clients are public",
    why="Clients choose by what is announced, and fail late when it is not so.",
    fix="Build the document from what is deployed, and name the methods that are accepted.",
)
def truthful(server: AuthorizationServer) -> Problems:
    """What the metadata announces is there."""
    exchange, found = server.metadata
    for name in sorted(found):
        url: Any = found[name]
        if not name.endswith("_endpoint") or not isinstance(url, str) or urlsplit(url).scheme not in ("http", "https"):
            continue
        method = "GET" if name in ("authorization_endpoint", "userinfo_endpoint", "end_session_endpoint") else "POST"
        request = Request(method, url, (("accept", "application/json, text/html"),))
        try:
            answer = server.ask(request, f"Is there a {name}?", "RFC 8414 §2", phase="discovery")
        except GivenUp:
            raise
        except Unanswered as failure:
            yield Problem(f"{name} does not answer: {failure}", exchange)
            continue
        if status(answer) == 404 or status(answer) >= 500:
            yield Problem(f"{name} answers {status(answer)}", answer)
        elif name in ("token_endpoint", "registration_endpoint") and status(answer) // 100 == 2:
            yield Problem(f"{name} answers {status(answer)} to an empty request, as if nothing were there", answer)
    methods = found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    if "none" not in methods and _admits_public_clients(server):
        yield Problem(f"public clients are admitted, but token_endpoint_auth_methods_supported is {methods}", exchange)
    if "client_secret_post" in methods:
        yield from _takes_posted_secrets(server)


def _takes_posted_secrets(server: AuthorizationServer) -> Problems:
    """A client that registers for the announced method can use it."""
    try:
        client = server.once("posting client", lambda: server.registered_client(WEB, token_endpoint_auth_method=_POST))
    except (Blocked, NotApplicable, Unanswered):
        return
    if client.method != _POST:
        return
    form = {"grant_type": "authorization_code", "code": "conformance", "code_verifier": "v" * 43, "redirect_uri": WEB}
    answer = server.call(client, form, "A made-up code, with the secret in the body")
    if error_of(answer) == "invalid_client":
        yield Problem(f"{_POST} is announced, but a right secret in the body is refused", answer)


def _admits_public_clients(server: AuthorizationServer) -> bool:
    try:
        return server.client.method == "none"
    except (Blocked, NotApplicable, Unanswered):
        return False
