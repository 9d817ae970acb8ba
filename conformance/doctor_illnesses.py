"""Which failed check means what to the person who deployed the system: layer, name of the trouble, and the cure.

The checks find; this table only translates. The first row whose sign fits what was received is taken. A check without a
fitting row says nothing here: its trouble is a consequence of another one, or nothing that keeps people out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Layer = Literal[
    "network",
    "TLS",
    "server",
    "resource metadata",
    "authorization server",
    "registration",
    "sign-in",
    "Cognito",
    "token",
    "browser",
]
Spoils = Literal["all", "login", "nothing"]
"""What cannot be told any more while it is so: whatever comes behind it, only what a login shows, or nothing."""


@dataclass(frozen=True, slots=True)
class Illness:
    """A row of the table.

    Args:
        check: The check that finds it.
        layer: Where it sits.
        name: What is wrong, in plain words.
        change: What to change, and where.
        sign: A pattern that what was received has to fit.
        spoils: What it keeps us from telling.
        covers: Checks that fail for the same cause.
    """

    check: str
    layer: Layer
    name: str
    change: str
    sign: str = ""
    spoils: Spoils = "login"
    covers: tuple[str, ...] = ()


_URL = "In our templates that is McpUrl (identity.yaml), on our server MCP_DEMO_MCP_URL."
_HOST = "API Gateway: serve it from the $default stage, since every other stage shifts all paths."
_CORS = "On our server list the page's origin in MCP_DEMO_ALLOWED_ORIGINS."
_DOCUMENT = ("rs.metadata.discoverable", "rs.metadata.named-url", "rs.metadata.well-known-path")
_IDENTITY = ("rs.metadata.resource-of-request", "rs.metadata.resource-of-address")

ILLNESSES: Sequence[Illness] = (
    # --- TLS
    Illness(
        "rs.transport.https",
        "TLS",
        "The endpoint is not served over https",
        "Give it a certificate (ACM on API Gateway, CloudFront or a load balancer), and tell people the https URL.",
    ),
    # --- server
    Illness(
        "rs.challenge.missing-token",
        "server",
        "The server lets everybody in",
        "Switch authorization on for this route. API Gateway: a route without an authorizer in front of a server that"
        " checks nothing is open to the world.",
        sign=r"^2\d\d",
        spoils="all",
    ),
    Illness(
        "rs.challenge.missing-token",
        "server",
        "Nothing is served at this path",
        "Compare the path with the deployed route: a stage name of API Gateway is part of the path, unless the stage is"
        " $default, and /mcp is not /mcp/.",
        sign=r"^(404|405|501)",
        spoils="all",
    ),
    Illness(
        "rs.challenge.missing-token",
        "server",
        "The address only redirects",
        "Tell people the address that it leads to, or stop redirecting: clients lose the body or the token on the way,"
        " and the two addresses are two resources. Mostly it is the slash at the end.",
        sign=r"^3\d\d",
        spoils="all",
    ),
    Illness(
        "rs.challenge.missing-token",
        "server",
        "Something in front of the server refuses the request",
        "Look at what stands in front: AWS WAF, an API key requirement, a list of allowed hosts (our server:"
        " MCP_DEMO_ALLOWED_HOSTS names the public host behind a proxy). It must let requests without a token through to"
        " the server, which answers 401.",
        sign=r"^(400|403|421)",
        spoils="all",
    ),
    Illness(
        "rs.challenge.missing-token",
        "server",
        "The server is broken or not running",
        "Read its log (Lambda: CloudWatch log group of the function). Behind API Gateway 500 and 502 are a crash at"
        " start or a missing setting, 504 is a timeout.",
        sign=r"^5\d\d",
        spoils="all",
    ),
    Illness(
        "rs.challenge.missing-token",
        "server",
        "The 401 does not say how to get in",
        'Answer 401 with WWW-Authenticate: Bearer resource_metadata="…". If an API Gateway authorizer answers before'
        " your server, leave the check to the server; a REST API renames the header, an HTTP API does not.",
        sign=r"^401",
        spoils="nothing",
        covers=("rs.cors.expose",),
    ),
    Illness(
        "rs.challenge.missing-token",
        "server",
        "A request without a token is not answered 401",
        "Answer requests without a token 401 with a Bearer challenge.",
        spoils="all",
    ),
    # --- resource metadata
    Illness(
        "rs.metadata.served",
        "resource metadata",
        "The metadata itself asks for a token",
        "Leave /.well-known/oauth-protected-resource… out of what the authorizer or the middleware guards.",
        sign=r"\b(401|403)\b",
        spoils="all",
        covers=_DOCUMENT,
    ),
    Illness(
        "rs.metadata.served",
        "resource metadata",
        "The metadata is not JSON",
        "Serve it as application/json, before the catch-all route of the web site.",
        sign=r"html|content type",
        spoils="all",
        covers=_DOCUMENT,
    ),
    Illness(
        "rs.metadata.served",
        "resource metadata",
        "There is no resource metadata",
        "Serve /.well-known/oauth-protected-resource followed by the path of the endpoint, and name it in the 401."
        f" {_HOST}",
        spoils="all",
        covers=_DOCUMENT,
    ),
    Illness(
        "rs.metadata.named-url",
        "resource metadata",
        "The metadata URL in the 401 is relative",
        f"Write the whole public URL, scheme and host included, into resource_metadata. {_URL}",
        sign=r"not an absolute URL",
        covers=("rs.metadata.discoverable",),
    ),
    Illness(
        "rs.metadata.named-url",
        "resource metadata",
        "The metadata URL in the 401 is http",
        f"The server builds it from the request behind the proxy. Take it from the configuration. {_URL}",
        sign=r"not https",
    ),
    Illness(
        "rs.metadata.named-url",
        "resource metadata",
        "A stranger can choose the metadata URL in the 401",
        f"Take the public URL from the configuration, never from Host or X-Forwarded-Host. {_URL}",
        sign=r"^resource_metadata repeats",
        spoils="nothing",
    ),
    Illness(
        "rs.metadata.named-url",
        "resource metadata",
        "The metadata URL in the 401 leads nowhere",
        f"Serve the document at the URL that the 401 names, or name the right one. {_HOST}",
        covers=(*_DOCUMENT, "rs.metadata.resource-of-request"),
    ),
    Illness(
        "rs.metadata.discoverable",
        "resource metadata",
        "The 401 does not name the metadata",
        'Add resource_metadata="<URL of the metadata>" to WWW-Authenticate.',
        spoils="nothing",
    ),
    Illness(
        "rs.metadata.no-trailing-slash",
        "resource metadata",
        "The resource ends with a slash",
        "Write the identifier without the slash, the same in the metadata, as identifier of the Cognito resource server"
        f" and in what people are told; URL classes of many languages add the slash. {_URL}",
        sign=r"ends with a slash",
        covers=_IDENTITY,
    ),
    Illness(
        "rs.metadata.resource-of-request",
        "resource metadata",
        "The resource differs from the called URL by a slash",
        f"Use one of the two everywhere: best the one without the slash. {_URL}",
        sign=r"resource is '(.+?)/?', called was '\1/?'",
        covers=_IDENTITY,
    ),
    Illness(
        "rs.metadata.resource-of-request",
        "resource metadata",
        "The metadata speaks of another resource than the URL that people use",
        f"Publish exactly the URL that people are told, path and port included. {_URL} The identifier of the Cognito"
        " resource server (console: Branding › Domain › Resource servers) has to be that same string, for it becomes"
        " `aud`.",
        covers=_IDENTITY,
    ),
    Illness(
        "rs.metadata.resource-of-address",
        "resource metadata",
        "The metadata at the well-known address speaks of another resource",
        f"Publish exactly the URL that people are told, path and port included. {_URL}",
    ),
    Illness(
        "rs.metadata.authorization-servers",
        "resource metadata",
        "The metadata names no authorization server",
        'Add "authorization_servers": ["https://issuer"]. On our server: MCP_DEMO_AUTHORIZATION_SERVERS, the URL of the'
        " bridge.",
        spoils="all",
    ),
    Illness(
        "rs.metadata.issuer-form",
        "resource metadata",
        "The authorization server is not named by its issuer",
        "List the issuer itself, not the URL of its metadata or of an endpoint.",
        sign=r"is no https URL|is not https|has a query|address of a document",
        spoils="all",
    ),
    Illness(
        "rs.metadata.well-known-path",
        "resource metadata",
        "The metadata is not where clients look that do not read the 401",
        f"Route /.well-known/oauth-protected-resource + path on the host itself. {_HOST}",
        sign=r"^(?!only at the root)",
        spoils="nothing",
    ),
    Illness(
        "rs.metadata.no-offline-access",
        "resource metadata",
        "The server asks for the scope offline_access",
        "Remove offline_access from scopes_supported and from the challenges: Cognito refuses it with invalid_scope.",
    ),
    # --- authorization server
    Illness(
        "as.metadata.published",
        "authorization server",
        "The authorization server's metadata cannot be found",
        "Serve /.well-known/oauth-authorization-server on its host (with the issuer's path behind it), or correct"
        " authorization_servers in the resource metadata. The login domain of a user pool (…amazoncognito.com) is not"
        " its issuer and serves no metadata.",
        spoils="all",
    ),
    Illness(
        "as.metadata.issuer",
        "authorization server",
        "The issuer in its metadata is another than the one that the resource names",
        "A bridge must not pass the user pool's document on: it is its own issuer. On our bridge: MCP_DEMO_BRIDGE_URL,"
        " the same string as in MCP_DEMO_AUTHORIZATION_SERVERS of the server.",
        sign=r"cognito-idp",
    ),
    Illness(
        "as.metadata.issuer",
        "authorization server",
        "The issuer in its metadata is another than the one that the resource names",
        "Write the same string in both, slash and port included: BridgeUrl in our templates, MCP_DEMO_BRIDGE_URL on the"
        " bridge, MCP_DEMO_AUTHORIZATION_SERVERS on the server.",
    ),
    Illness(
        "as.metadata.pkce",
        "authorization server",
        "The authorization server does not announce PKCE with S256",
        'Add "code_challenge_methods_supported": ["S256"] to its metadata. If it is the user pool itself, no setting'
        " of Cognito adds it, although Cognito can do S256: put a bridge in front; name it in authorization_servers.",
        sign=r"is (None|\[)",
    ),
    Illness(
        "as.metadata.fields",
        "authorization server",
        "The authorization server's metadata is incomplete",
        "Add what is missing, and leave out what is empty.",
        sign=r"is missing",
    ),
    Illness(
        "as.metadata.truthful",
        "registration",
        "Registration is announced, but not there",
        "Deploy the endpoint (in our system the stack of registration.yaml), or take registration_endpoint out of the"
        " metadata (our bridge: MCP_DEMO_REGISTRATION_ENDPOINT).",
        sign=r"^registration_endpoint [^;]*$",
        covers=("as.registration.offered",),
    ),
    Illness(
        "as.metadata.truthful",
        "authorization server",
        "The metadata announces what is not there",
        "Deploy the route, or take it out of the metadata. API Gateway: mind the stage in the path.",
        sign=r"_endpoint ",
    ),
    Illness(
        "as.transport.https",
        "authorization server",
        "The authorization server's URLs are http",
        "They are built from the request behind a proxy. Take them from the configuration: BridgeUrl,"
        " MCP_DEMO_BRIDGE_URL.",
    ),
    # --- registration
    Illness(
        "as.registration.offered",
        "registration",
        "Clients cannot register, although the metadata says so",
        "Look into the log of the registration endpoint. In our system: the stack of registration.yaml, and"
        " MCP_DEMO_REGISTRATION_ENDPOINT on the bridge.",
    ),
    # --- browser
    Illness(
        "rs.cors.preflight",
        "browser",
        "OPTIONS is refused, so no web page gets in",
        "Let OPTIONS pass without a token: a browser never sends one with it. API Gateway: configure CORS on the HTTP"
        " API, or give OPTIONS a route without authorizer; in code put the CORS middleware outside of the"
        " authorization.",
        sign=r"^(401|403|405|404|500) .*preflight|^(401|403|405|404|500) to a preflight",
        spoils="nothing",
    ),
    Illness(
        "rs.cors.preflight",
        "browser",
        "Web pages may not send the headers of MCP, or not from this origin",
        f"Allow the origin and the named headers in the CORS configuration. {_CORS}",
        spoils="nothing",
    ),
    Illness(
        "rs.cors.expose",
        "browser",
        "Web pages cannot read the 401",
        "Send Access-Control-Allow-Origin and Access-Control-Expose-Headers: WWW-Authenticate on the 401 too: put the"
        f" CORS middleware outside of the authorization, or set exposeHeaders on the HTTP API. {_CORS}",
        spoils="nothing",
    ),
    Illness(
        "rs.cors.metadata",
        "browser",
        "Web pages cannot read the resource metadata",
        "Send Access-Control-Allow-Origin: * with it, and answer its preflight with MCP-Protocol-Version allowed.",
        spoils="nothing",
    ),
    Illness(
        "as.cors.endpoints",
        "browser",
        "Web pages cannot use the authorization server",
        "Allow any origin on metadata, registration, token and key endpoints, but not on the authorization endpoint.",
        spoils="nothing",
    ),
)


def of(check: str, received: str) -> Illness | None:
    """The row that fits a failed check."""
    return next((row for row in ILLNESSES if row.check == check and re.search(row.sign, received)), None)


def checks_of(layer: Layer) -> tuple[str, ...]:
    """The checks of a layer, in the order in which they are looked at."""
    return tuple(dict.fromkeys(row.check for row in ILLNESSES if row.layer == layer))
