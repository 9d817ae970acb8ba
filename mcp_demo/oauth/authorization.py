"""The authorization request and its response, seen from both sides (RFC 6749 §4.1, RFC 8707, RFC 9207)."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

from mcp_demo.oauth import scopes as scope_rules
from mcp_demo.oauth.errors import ErrorResponse, InvalidRequest, IssuerMismatch, ResponseInvalid, StateMismatch
from mcp_demo.oauth.redirect_uri import with_parameters


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """What a client asks for in the browser. `scopes=None` leaves the parameter out."""

    client_id: str
    redirect_uri: str
    state: str
    code_challenge: str
    resource: str
    scopes: tuple[str, ...] | None = None

    def url(self, authorization_endpoint: str) -> str:
        """The URL to open in the browser (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2).

        The endpoint's own query is kept (RFC 6749 §3.1), but for what this request says itself: no parameter may be
        there twice, and it is not for the endpoint to say for which resource.
        """
        parameters = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "state": self.state,
            "code_challenge": self.code_challenge,
            "code_challenge_method": "S256",
            "resource": self.resource,
        }
        if self.scopes is not None:
            parameters["scope"] = scope_rules.join(self.scopes)
        return with_parameters(_without(authorization_endpoint, {*parameters, "scope"}), parameters)


def _without(endpoint: str, names: set[str]) -> str:
    """The endpoint with some parameters taken out of its query, and the others byte for byte as they were."""
    base, mark, query = endpoint.partition("?")
    kept = [pair for pair in query.split("&") if unquote_plus(pair.partition("=")[0]) not in names]
    return base + mark + "&".join(kept) if any(kept) else base


def single_valued(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Request parameters as a mapping; those without a value count as not sent.

    Spec: RFC 6749 §3.1 and §3.2.

    Raises:
        InvalidRequest: A parameter is included more than once.
    """
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if name in parameters:
            raise InvalidRequest(f"The parameter {name[:40]!r} is included more than once.")
        parameters[name] = value
    return {name: value for name, value in parameters.items() if value}


def read_response(url: str, *, state: str, issuer: str, iss_advertised: bool) -> str:
    """The authorization code of a response, once it is known to answer our request to that issuer.

    The error fields of a response with another `state` or `iss` are not looked at.

    Args:
        url: The redirect URI as the browser came back to it.
        state: The `state` that was sent.
        issuer: The issuer recorded with the request, from validated metadata.
        iss_advertised: Whether that metadata sets `authorization_response_iss_parameter_supported`.

    Spec: RFC 6749 §4.1.2 and §10.12, RFC 9207 §2.4.

    Raises:
        StateMismatch: `state` is absent or differs.
        IssuerMismatch: `iss` differs, without any normalising, or is absent though advertised.
        ErrorResponse: The authorization server refused.
        ResponseInvalid: Neither a code nor an error, or a parameter twice.
    """
    query = url.partition("#")[0].partition("?")[2]
    try:
        parameters = single_valued(parse_qsl(query, keep_blank_values=True))
    except InvalidRequest as error:
        raise ResponseInvalid("The authorization response repeats a parameter.") from error
    returned_state = parameters.get("state", "").encode(errors="replace")
    if not state or not hmac.compare_digest(returned_state, state.encode()):
        raise StateMismatch("The authorization response does not belong to the request that this client sent.")
    returned = parameters.get("iss")
    if returned is None and iss_advertised:
        raise IssuerMismatch(f"{issuer} announces `iss` in its responses, but this one has none.")
    if returned is not None and returned != issuer:
        raise IssuerMismatch(f"The response says it comes from another issuer than {issuer}.")
    if error := parameters.get("error"):
        raise ErrorResponse(error, parameters.get("error_description"))
    if code := parameters.get("code"):
        return code
    raise ResponseInvalid("The authorization response has neither a code nor an error.")
