"""When a JWT is an access token for this server, and what it then says (RFC 7519, RFC 8725, RFC 9068 §4).

The second of two steps, between which the caller looks up the key: `mcp_demo.oauth.unverified_token` takes the token
apart, `verify` checks the signature and then, and only then, believes the claims. Neither fetches anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import RSAKey

from mcp_demo.oauth import scopes as scope_rules
from mcp_demo.oauth.errors import InvalidScope, InvalidToken
from mcp_demo.oauth.token_exchange import Actor, read_actors
from mcp_demo.oauth.unverified_token import ACCESS_TOKEN_TYPES, TokenRejected, Unverified, string_claim

_LATEST_TIME = 253_402_300_799  # the year 9999: what lies beyond cannot be shown as a date
_ISSUER_CLOCK_AHEAD = 60
_PADDING, _DIGEST = PKCS1v15(), SHA256()
_parsed = lru_cache(maxsize=64)(scope_rules.parse)  # most tokens of an issuer grant the same


@dataclass(frozen=True, slots=True)
class Rules:
    """What a token of one issuer has to satisfy.

    Args:
        issuer: The only acceptable `iss`, byte for byte.
        resource: The canonical URI of this server.
        scopes: All scopes that this server defines.
        audience: `resource`: `aud` has to name the resource. `scope`, for user pools without resource binding: there is
            no `aud`, and one of `scopes` is granted.
        algorithm: The only acceptable `alg`, whatever the token says (RFC 8725 §3.1).
        token_use: The required value of Cognito's `token_use`, which tells access tokens from ID tokens. None, for
            issuers that keep to RFC 9068: `typ` has to be `at+jwt`, which says the same.
        leeway: Seconds of tolerance on `exp`, `nbf` and `iat`.
        withheld: Scopes that this issuer may not grant; in its tokens they count for nothing.
    """

    issuer: str
    resource: str
    scopes: frozenset[str]
    audience: Literal["resource", "scope"] = "resource"
    algorithm: str = "RS256"
    token_use: str | None = "access"  # noqa: S105 - a claim's value, not a password
    leeway: int = 0
    withheld: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a verified token says. The token itself is not kept.

    `actors` says who acts for the person, the current one first (RFC 8693 §4.1); empty where nobody does. It counts
    from `valid_from` until just before `expires_at`, in seconds since the epoch, give or take the leeway of the rules.
    """

    issuer: str
    subject: str
    client_id: str
    username: str | None
    scopes: tuple[str, ...]
    expires_at: float
    actors: tuple[Actor, ...] = ()
    valid_from: float = 0

    def is_alive(self, leeway: int, now: float) -> bool:
        """Whether it still counts: time alone can end what was verified before (RFC 7519 §4.1.4 to §4.1.6)."""
        return self.valid_from - leeway <= now < self.expires_at + leeway


def verify(unverified: Unverified, key: RSAKey, rules: Rules, now: float) -> AccessToken:
    """Check the signature, then the claims.

    A token is dead at exactly `exp` and alive at exactly `nbf` (RFC 7519 §4.1.4, §4.1.5).

    Spec: RFC 9068 §4, RFC 8725 §3.1 and §3.8 to §3.12, MCP 2026-07-28 Authorization › Token Handling.

    Raises:
        TokenRejected: A rule is broken; `reason` says which.
    """
    _check_signature(unverified, key, rules.algorithm)
    claims = unverified.claims
    if claims["iss"] != rules.issuer:
        raise TokenRejected("issuer")
    _check_use(unverified, rules)
    valid_from, expires_at = _check_times(claims, rules.leeway, now)
    scopes = _scopes(claims)
    if rules.withheld:
        scopes = tuple(scope for scope in scopes if scope not in rules.withheld)
    _check_audience(claims, scopes, rules)
    return AccessToken(
        issuer=rules.issuer,
        subject=string_claim(claims, "sub"),
        client_id=string_claim(claims, "client_id"),
        username=string_claim(claims, "username") if "username" in claims else None,
        scopes=scopes,
        expires_at=expires_at,
        actors=_actors(claims),
        valid_from=valid_from,
    )


def _check_times(claims: Mapping[str, Any], leeway: int, now: float) -> tuple[float, float]:
    """From when until when the token counts (RFC 7519 §4.1.4 to §4.1.6)."""
    expires_at = _time(claims, "exp")
    if now >= expires_at + leeway:
        raise TokenRejected("expired")
    not_before = _time(claims, "nbf") if "nbf" in claims else 0
    if now < not_before - leeway:
        raise TokenRejected("not_yet_valid")
    issued_at = _time(claims, "iat") if "iat" in claims else 0
    if issued_at > expires_at:
        raise TokenRejected("claims")
    # Two clocks always differ a little, and `iat` alone grants nothing: only nonsense is refused.
    if now < issued_at - _ISSUER_CLOCK_AHEAD - leeway:
        raise TokenRejected("issued_in_future")
    return max(not_before, issued_at - _ISSUER_CLOCK_AHEAD), expires_at


def _check_signature(unverified: Unverified, key: RSAKey, algorithm: str) -> None:
    """RS256 is all that this server takes: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3)."""
    if unverified.algorithm != algorithm or algorithm != "RS256":
        raise TokenRejected("algorithm")
    try:
        # Without the JOSE layer, which would look up algorithm and key operations anew for each token.
        key.public_key.verify(unverified.signature, unverified.signed, _PADDING, _DIGEST)
    except (InvalidSignature, ValueError) as error:
        raise TokenRejected("signature") from error


def _check_use(unverified: Unverified, rules: Rules) -> None:
    """An access token, and nothing else that the issuer signs with the same key (RFC 9068 §4, RFC 8725 §3.11)."""
    if rules.token_use is None:
        is_access_token = unverified.kind in ACCESS_TOKEN_TYPES
    else:
        is_access_token = unverified.claims.get("token_use") == rules.token_use
    if not is_access_token:
        raise TokenRejected("token_use")


def _check_audience(claims: Mapping[str, Any], scopes: tuple[str, ...], rules: Rules) -> None:
    if rules.audience == "scope":
        # Scopes are compared whole: a prefix would let a neighbour `<resource>/other` in.
        if "aud" in claims or rules.scopes.isdisjoint(scopes):
            raise TokenRejected("audience")
        return
    audience: object = claims.get("aud")
    names = cast("list[object]", audience) if isinstance(audience, list) else [audience]
    if not all(isinstance(name, str) for name in names) or rules.resource not in names:
        raise TokenRejected("audience")


def _scopes(claims: Mapping[str, Any]) -> tuple[str, ...]:
    value = claims.get("scope", "")
    if not isinstance(value, str):
        raise TokenRejected("claims")
    try:
        return _parsed(value)
    except InvalidScope as error:
        raise TokenRejected("claims") from error


def _actors(claims: Mapping[str, Any]) -> tuple[Actor, ...]:
    try:
        return read_actors(claims)
    except InvalidToken as error:
        raise TokenRejected("claims") from error


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    # A bool is an int to Python, but not a NumericDate (RFC 7519 §2).
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST_TIME:
        raise TokenRejected("claims")
    return value
