"""The end of a login: does the code give a token, and does the server take it."""

import json
from collections.abc import Iterator
from typing import Any, cast

from conformance.doctor_findings import Finding
from conformance.doctor_login import Way, wanted_scopes
from conformance.doctor_network import MOST_SKEW, skews
from conformance.issuer import decode
from conformance.views.answers import bearer, shown, status, succeeded
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.forms import parameters
from conformance.views.grants import Client, Grant, error_of, tokens
from conformance.views.resource_server import ResourceServer
from mcp_demo.exchange.model import Exchange


def redeemed(server: AuthorizationServer, grant: Grant) -> tuple[Exchange, list[Finding]]:
    """The fresh code for tokens, and why it gave none."""
    exchange = server.redeem(grant, "The fresh code for tokens")
    return exchange, [] if tokens(exchange) else list(_refused(server, grant, exchange))


def _refused(server: AuthorizationServer, grant: Grant, exchange: Exchange) -> Iterator[Finding]:
    code = error_of(exchange) or str(status(exchange))
    way = Way((server.authorization_url(grant.client), *grant.journey.hops), grant.journey.returned)
    sent = parameters(way.upstream)
    asked = sent.get("resource")
    if code == "invalid_grant" and asked is not None:
        bridged = sent.get("client_id") != grant.client.client_id
        proof = "" if bridged else _without_resource(server, grant.client)
        yield Finding(
            "Cognito",
            "as.token.invalid-target",
            "The resource is not registered in the user pool",
            f"{status(exchange)} invalid_grant for a fresh code with the right verifier. Asked was with resource"
            f" {asked}.{proof}",
            "Cognito gives a code for any resource, and refuses it only at the token endpoint.",
            f"Make a resource server whose identifier is exactly {asked} (console: Branding › Domain › Resource"
            " servers; template: McpServer, Identifier McpUrl, in identity.yaml), and check its scopes. The user pool"
            " needs the Essentials plan for resource binding.",
        )
        return
    yield Finding(
        "Cognito" if way.at_pool else "token",
        "as.token.client-auth" if code == "invalid_client" else "as.token.client-types",
        "The code is not exchanged for tokens",
        f"{status(exchange)} {code} for a fresh code with the right verifier.",
        "The sign-in succeeds, and then the client has nothing.",
        "invalid_client: the secret of the app client is wrong, missing or not expected (bridge:"
        " MCP_DEMO_BRIDGE_CLIENT_SECRET). 5xx: look into the log of the token endpoint, and whether it reaches the user"
        " pool's domain.",
    )


def _without_resource(server: AuthorizationServer, client: Client) -> str:
    """Whether the same login without a resource works, which proves what the matter is."""
    journey = server.travel(client, "The same login without a resource", scope=wanted_scopes(server), resource=None)
    code = parameters(journey.returned or "").get("code")
    if code is None:
        return ""
    control = server.redeem(Grant(client, journey, code), "The code of the login without a resource", resource=None)
    return " The same login without a resource gives tokens." if tokens(control) else ""


def presented(server: AuthorizationServer, token: str) -> tuple[list[Finding], str]:
    """Why the server does not take a token; if it takes it, what is worth knowing."""
    resource = server.session.view(ResourceServer)
    exchange = resource.present(
        token, "Request with the token of this login", "A token of a good login has to let in.", "OAuth 2.1 §5.1.1"
    )
    if status(exchange) in (401, 403):
        return [_not_taken(server, exchange, token)], ""
    if succeeded(exchange):
        return [], ""
    revision = server.target.revision
    return [], f"taken, but answered {shown(exchange)}: does the server speak {revision}? If not, give --revision"


def _not_taken(server: AuthorizationServer, exchange: Exchange, token: str) -> Finding:
    found = bearer(exchange)
    said = found.parameters.get("error_description", "") if found else ""
    check, name, facts, change = _cause(server, exchange, claims_of(token))
    return Finding(
        "token",
        check,
        name,
        f"{shown(exchange)} {said}".strip() + f". {facts}",
        "The sign-in succeeds, and then the client is refused, mostly without a word to the person.",
        change,
    )


def _cause(server: AuthorizationServer, exchange: Exchange, claims: dict[str, Any] | None) -> tuple[str, str, str, str]:
    wanted = server.resource
    if claims is None:
        name = "The server does not take the token"
        return "rs.bearer.case", name, "The token is opaque.", "Look into the server's log why it refuses it."
    audience = claims.get("aud")
    audiences = cast("list[Any]", audience) if isinstance(audience, list) else [audience]
    if status(exchange) == 403:
        facts = f"The token has scope {claims.get('scope', 'none')!r}."
        cure = (
            "Put the scope that the server wants into the challenge and the metadata, and allow it on the app client."
        )
        return "rs.scope.status", "The token lacks a scope", facts, cure
    if audience is None:
        cure = (
            "Send resource with the authorization request (our bridge: MCP_DEMO_AUDIENCE=resource), and use the"
            " Essentials plan and managed login: Cognito sets no aud otherwise, nor for client_credentials."
        )
        return "rs.token.audience-absent", "The token names no audience", "There is no aud in the token.", cure
    if wanted not in audiences:
        facts = f"aud is {audience!r}, the resource is {wanted!r}."
        cure = "Use one string everywhere: URL, resource, identifier of the Cognito resource server (McpUrl), and what"
        return "rs.token.audience", "The token is for another resource", facts, f"{cure} the server expects as aud."
    skewed = [host for host, skew in skews(server.session.exchanges).items() if abs(skew) > MOST_SKEW]
    if skewed:
        facts = f"iat is {claims.get('iat')}, exp is {claims.get('exp')}; the clock of {', '.join(skewed)} is off."
        return "rs.token.expiry", "The clocks disagree about the token", facts, "Set the clock: NTP, chrony."
    facts = f"iss is {claims.get('iss')!r}, aud is {audience!r}, token_use is {claims.get('token_use')!r}."
    cure = (
        "Compare iss with what the server trusts, character by character (ours: MCP_DEMO_ISSUER, with Region and pool"
        " id), and see that it can reach MCP_DEMO_JWKS_URI. An ID token is no access token."
    )
    return "rs.token.issuer", "The server does not take the token", facts, cure


def claims_of(token: str) -> dict[str, Any] | None:
    """What a token says, its signature not looked at; None if it is no JWT."""
    try:
        found: Any = json.loads(decode(token.split(".")[1]))
    except (ValueError, IndexError):
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None
