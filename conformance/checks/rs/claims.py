"""What the token says: issuer, audience, times and kind (RFC 7519, RFC 9068, MCP Authorization › Token Handling)."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from conformance.check import Blocked, NotApplicable, Problem, Problems
from conformance.checks.rs import checks, probes
from conformance.checks.rs.signatures import refused
from conformance.issuer import DROP
from conformance.target import Capability
from conformance.views.answers import shown, status, succeeded
from conformance.views.resource_server import ResourceServer, like_garbage

_ISSUER = (Capability.TEST_ISSUER,)


@checks.add(
    "rs.token.issuer",
    "RS-TOK-ISS",
    expected="401 to every token whose iss is not exactly a trusted issuer",
    why="A prefix match on cognito-idp lets every user pool of every AWS customer in.",
    fix="Compare iss as a whole string with the configured issuer, before fetching any key.",
    cognito="https://cognito-idp.<region>.amazonaws.com/<pool>: region and pool id both belong to the comparison.",
    needs=_ISSUER,
)
def issuer(server: ResourceServer) -> Problems:
    """Only tokens of exactly the trusted issuer are accepted."""
    server.require_control()
    trusted = server.issuer.issuer
    others = {
        "with a slash more": f"{trusted}/",
        "in capitals": trusted.upper(),
        "of another pool": f"{trusted.rpartition('/')[0]}/another-pool-0",
        "with more behind it": f"{trusted}x",
        "of a stranger": "https://evil.example",
        "that hides the trusted one in a query": f"https://evil.example/?{trusted}",
    }
    for what, value in others.items():
        if value != trusted:
            yield from refused(server, server.issuer.token(iss=value), f"whose iss is one {what}", "RFC 8725 §3.8")
    yield from refused(server, server.issuer.token(iss=DROP), "without iss", "RFC 9068 §2.2")


@checks.add(
    "rs.token.audience",
    "RS-TOK-AUD",
    expected="401 invalid_token to every token for another audience",
    why="A token for a sibling API, stolen or handed on there, would open this server too.",
    fix="Require aud to name this server's canonical URL.",
    cognito="Access tokens have aud only with resource binding; then aud is what the client asked for as `resource`.",
    needs=_ISSUER,
)
def audience(server: ResourceServer) -> Problems:
    """Tokens for another server are refused."""
    server.require_control()
    others = {
        "a sibling API": "https://sibling.example/api",
        "the authorization server": server.issuer.issuer,
        "the client": "conformance",
    }
    for what, value in others.items():
        yield from refused(server, server.issuer.token(aud=value), f"whose audience is {what}", "RFC 8707 §2")


@checks.add(
    "rs.token.audience-whole",
    "RS-TOK-AUD-EXACT",
    expected="success for an array that holds the resource, 401 for everything that only resembles it",
    why="A prefix or substring match lets names in that somebody else can register.",
    fix="Compare whole strings; where aud is an array, look for an equal member.",
    needs=_ISSUER,
)
def audience_whole(server: ResourceServer) -> Problems:
    """The audience is compared as a whole, in a string as in an array."""
    server.require_control()
    if server.issuer.audience != "resource":
        raise NotApplicable("The tokens of this target have no audience; rs.token.audience-absent says what counts.")
    resource = server.issuer.resource
    several = server.present(
        server.issuer.token(aud=["https://other.example", resource]),
        "Token for two audiences, this server among them",
        "An audience may be an array; one equal member is enough.",
        "RFC 7519 §4.1.3",
    )
    if not succeeded(several):
        yield Problem(f"{shown(several)} to a token whose aud is an array with the resource in it", several)
    parts = urlsplit(resource)
    path = parts.path.upper() if parts.path.strip("/") else "/X"
    others = {
        "the resource with more behind it": f"{resource}-evil",
        "something below the resource": f"{resource}/other",
        "a part of the resource": resource[:-1],
        "the origin": f"{parts.scheme}://{parts.netloc}",
        "the resource in another case": f"{parts.scheme}://{parts.netloc}{path}",
        "a URL with the resource in its query": f"https://evil.example/?x={resource}",
    }
    for what, value in others.items():
        if value != resource:
            yield from refused(server, server.issuer.token(aud=value), f"whose audience is {what}", "RFC 7519 §4.1.3")


@checks.add(
    "rs.token.audience-absent",
    "RS-TOK-AUD-ABSENT",
    expected="401 or 403 to a token that names neither this server as audience nor a scope of it",
    why="Every app of a shared user pool gets tokens of the same issuer.",
    fix="Without aud, require a scope that carries this server's identifier, or a client_id from an allow-list.",
    cognito="Tokens of app clients without resource binding look exactly like this.",
    needs=_ISSUER,
)
def audience_absent(server: ResourceServer) -> Problems:
    """A token that names no audience has to prove otherwise that it is for this server."""
    server.require_control()
    token = server.issuer.token(aud=DROP, client_id="another-app", scope="openid profile email")
    exchange = server.present(
        token,
        "Token of another app of the same pool: no aud, none of this server's scopes",
        "Nothing in it says that it was meant for this server.",
        "MCP 2026-07-28 Security Considerations › Access Token Privilege Restriction",
    )
    if status(exchange) not in (401, 403):
        yield Problem(f"{shown(exchange)} to a token that is not meant for this server", exchange)


@checks.add(
    "rs.token.expiry",
    "RS-TOK-EXP",
    expected="401 to an expired token and to one without a usable exp",
    why="Expiry is what limits the damage of a token that leaked.",
    fix="Require exp as a number, and refuse from that second on (a minute of tolerance at most).",
    needs=_ISSUER,
)
def expiry(server: ResourceServer) -> Problems:
    """Expired tokens are refused, and so are those that never expire."""
    server.require_control()
    gone = probes.expired(server)
    if status(gone) != 401 and not like_garbage(server, gone):
        yield Problem(f"{shown(gone)} to a token that expired ten minutes ago", gone)
    yield from refused(server, server.issuer.token(exp=DROP), "without exp", "RFC 9068 §2.2")
    yield from refused(server, server.issuer.token(exp="tomorrow"), "whose exp is a word", "RFC 7519 §4.1.4")
    yield from refused(server, server.issuer.token(exp=None), "whose exp is null", "RFC 7519 §4.1.4")


@checks.add(
    "rs.token.not-before",
    "RS-TOK-NBF",
    expected="401 to a token whose nbf lies in the future",
    why="nbf is how an issuer makes a token in advance; before its time it is nobody's.",
    fix="Check nbf with the same clock as exp.",
    needs=_ISSUER,
)
def not_before(server: ResourceServer) -> Problems:
    """A token is not accepted before its time."""
    server.require_control()
    now = int(server.issuer.clock())
    token = server.issuer.token(nbf=now + 3600, exp=now + 7200)
    yield from refused(server, token, "that is valid only in an hour", "RFC 7519 §4.1.5")


@checks.add(
    "rs.token.kind",
    "RS-TOK-ID-TOKEN",
    expected="401 to an ID token of the same issuer",
    why="An ID token goes to every client that signs somebody in; as an access token it would open every API.",
    fix="Check what tells the issuer's tokens apart: typ at+jwt, or token_use with Cognito.",
    cognito="Cognito's access tokens carry token_use=access and no typ; require the former.",
    needs=_ISSUER,
)
def kind(server: ResourceServer) -> Problems:
    """An ID token is no access token."""
    server.require_control()
    if "token_use" not in server.issuer.token_claims():
        raise Blocked("The test issuer does not tell its tokens apart by token_use.", Capability.TEST_ISSUER)
    issued: dict[str, Any] = {"token_use": "id", "aud": "conformance", "cognito:username": "demo", "scope": DROP}
    yield from refused(server, server.issuer.token(**issued), "that is an ID token", "RFC 8725 §3.11")
    # Who tells the kinds apart by their audience alone is safe as long as the issuer never lets them meet (§3.12).
    for value, what in (
        ("id", "marked as an ID token"),
        ("refresh", "of an unknown kind"),
        (DROP, "of no kind at all"),
    ):
        token = server.issuer.token(token_use=value)
        for problem in refused(server, token, f"{what}, though for this server", "RFC 8725 §3.12"):
            yield replace(problem, soft=True)
