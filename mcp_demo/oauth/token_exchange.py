"""Grants in which a token from somewhere else stands for the person or the workload.

    jwt_bearer_form(...)     a JWT that the authorization server trusts, for an access token (RFC 7523 §2.1)
    id_jag_form(...)         an ID token, for a JWT that another authorization server will trust (RFC 8693 §2.1)
    read_id_jag(...)         that JWT, out of the answer
    read_actors(claims)      who acts for the person, out of a token that was exchanged (RFC 8693 §4.1)
    acting(actor, claims)    the claim `act` of a token to issue

The second and the first, in this order, are how a company's identity provider lets its people into an MCP server
without asking each of them: the ID-JAG of draft-ietf-oauth-identity-assertion-authz-grant, SEP-990. The first alone is
how a workload uses the identity that its platform gave it, SEP-1933.

A server that calls another one for a person exchanges the person's token for one of its own (RFC 8693 §1.1). By
*delegation*, `sub` still names the person and `act` the server: whoever reads the token sees both, and can refuse
either. By *impersonation* there is no `act`: the server is taken for the person, and no log tells them apart. To pass
on the person's own token is neither: it was issued for somebody else, and MCP forbids it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from mcp_demo.oauth import scopes as scope_rules
from mcp_demo.oauth.errors import InvalidToken, ResponseInvalid
from mcp_demo.oauth.token import read_error

JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a name
ID_TOKEN: Final = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - a name
ID_JAG: Final = "urn:ietf:params:oauth:token-type:id-jag"


def jwt_bearer_form(*, assertion: str, resource: str, scopes: tuple[str, ...] | None) -> dict[str, str]:
    """The form that trades an assertion for an access token (RFC 7523 §2.1, RFC 8707 §2.2)."""
    return {"grant_type": JWT_BEARER, "assertion": assertion, "resource": resource} | _scope(scopes)


def id_jag_form(*, id_token: str, issuer: str, resource: str, scopes: tuple[str, ...] | None) -> dict[str, str]:
    """The form that asks an identity provider for an ID-JAG.

    Spec: draft-ietf-oauth-identity-assertion-authz-grant §4.3, RFC 8693 §2.1.

    Args:
        id_token: Of the person, issued by this provider to this client.
        issuer: Of the authorization server that is to accept it; becomes `aud`.
        resource: The MCP server.
        scopes: What to ask for, if anything.
    """
    return {
        "grant_type": TOKEN_EXCHANGE,
        "requested_token_type": ID_JAG,
        "subject_token": id_token,
        "subject_token_type": ID_TOKEN,
        "audience": issuer,
        "resource": resource,
    } | _scope(scopes)


def read_id_jag(status: int, document: object) -> str:
    """The ID-JAG of an identity provider's answer. It is no access token, whatever the member is called.

    Spec: draft-ietf-oauth-identity-assertion-authz-grant §4.3.3, RFC 8693 §2.2.1.

    Raises:
        ErrorResponse: The provider refused.
        ResponseInvalid: The answer is neither an error nor an ID-JAG.
    """
    if status != 200:
        raise read_error(status, document)
    members: Mapping[str, Any] = cast("Mapping[str, Any]", document) if isinstance(document, Mapping) else {}
    assertion = members.get("access_token")
    if members.get("issued_token_type") != ID_JAG or str(members.get("token_type")).lower() != "n_a":
        raise ResponseInvalid("The identity provider answered with another kind of token than asked for.")
    if not isinstance(assertion, str) or not assertion:
        raise ResponseInvalid("The identity provider answered without a token.")
    return assertion


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts for somebody else. Without an issuer of its own, its name is one of the token's issuer."""

    subject: str
    issuer: str | None = None

    def is_one_of(self, subjects: Collection[str], issuer: str) -> bool:
        """Whether this is one of these subjects of this issuer, and not a namesake elsewhere (RFC 8693 §4.1)."""
        return self.subject in subjects and self.issuer in (None, issuer)


def read_actors(claims: Mapping[str, Any]) -> tuple[Actor, ...]:
    """Who acts, the current one first; nobody where the person calls alone.

    Only the first counts for a decision. Those behind it say by which way the token came, and grant nothing.

    Spec: RFC 8693 §4.1.

    Raises:
        InvalidToken: `act` is there, but does not say who acts.
    """
    actors: list[Actor] = []
    while "act" in claims:
        act: object = claims["act"]
        claims = cast("Mapping[str, Any]", act) if isinstance(act, Mapping) else {}
        subject, issuer = claims.get("sub"), claims.get("iss")
        if not isinstance(subject, str) or not subject or not isinstance(issuer, str | None) or issuer == "":
            raise InvalidToken("The claim `act` does not say who acts.")
        actors.append(Actor(subject, issuer))
    return tuple(actors)


def acting(actor: str, claims: Mapping[str, Any]) -> dict[str, Any]:
    """The claim `act` of a token that is derived from another, whose own actors move one step back (RFC 8693 §4.1).

    Args:
        actor: Who acts now: the `sub` of the actor token.
        claims: Of the subject token.
    """
    return {"sub": actor} | ({"act": claims["act"]} if "act" in claims else {})


def _scope(scopes: tuple[str, ...] | None) -> dict[str, str]:
    return {"scope": scope_rules.join(scopes)} if scopes else {}
