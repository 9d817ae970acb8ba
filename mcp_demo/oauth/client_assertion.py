"""Client authentication by a signed JWT, `private_key_jwt`: built by the client, verified by the authorization server.

    sign(key, client_id=..., issuer=..., token_id=..., now=...) -> str        what the client sends
    form(assertion) -> dict[str, str]                                         as fields of the token request
    verify(assertion, client_id=..., keys=..., audiences=..., now=...)        raises InvalidClient

The audience is the *issuer identifier* of the authorization server, alone. RFC 7523 §3 also allowed the token endpoint;
its successor withdrew that, because a malicious server can have its own token endpoint at an honest server's URL.

Spec: RFC 7523 §2.2 and §3, draft-ietf-oauth-rfc7523bis-09 §4, RFC 7521 §4.2, RFC 8725 §3.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from joserfc import jwk, jws
from joserfc.errors import JoseError

from mcp_demo.oauth.errors import InvalidClient
from mcp_demo.oauth.members import text
from mcp_demo.oauth.token import JWT_BEARER

Key: TypeAlias = jwk.ECKey | jwk.RSAKey | jwk.OKPKey

ALGORITHMS: Final = ("ES256", "PS256", "RS256", "Ed25519")
TYPE: Final = "client-authentication+jwt"
MAX_LENGTH: Final = 8192
MAX_LIFETIME: Final = 600
_CLOCK_AHEAD = 60
_LATEST_TIME = 253_402_300_799  # the year 9999
_SMALLEST_RSA_KEY = 2048
_KINDS: Mapping[str, type[Key]] = {"ES256": jwk.ECKey, "PS256": jwk.RSAKey, "RS256": jwk.RSAKey, "Ed25519": jwk.OKPKey}
# Absent and `JWT` come from clients older than the explicit type; every other type is some other kind of token.
_TYPES = frozenset({"jwt", TYPE, f"application/{TYPE}"})


@dataclass(frozen=True, slots=True)
class VerifiedAssertion:
    """What is left to do after `verify`: refuse a `token_id` that this client has used before, until `expires_at`."""

    client_id: str
    token_id: str
    expires_at: float


def signing_key(pem: str, algorithm: str) -> Key:
    """The private key of a PEM text.

    Raises:
        ValueError: The algorithm is not one of `ALGORITHMS`, or the text is not a key for it.
    """
    kind = _KINDS.get(algorithm)
    if kind is None:
        raise ValueError(f"{algorithm} is not one of {', '.join(ALGORITHMS)}")
    try:
        return kind.import_key(pem)
    except JoseError as error:
        raise ValueError(f"this is not a key for {algorithm}") from error


def sign(
    key: Key,
    *,
    client_id: str,
    issuer: str,
    token_id: str,
    now: float,
    algorithm: str = "ES256",
    key_id: str | None = None,
    lifetime: int = 60,
) -> str:
    """An assertion that says who the client is.

    Args:
        key: The client's private key.
        client_id: Goes into `iss` and `sub`.
        issuer: Of the authorization server, as in its metadata; the only audience.
        token_id: `jti`; a fresh random string for every assertion.
        now: When it is signed.
        algorithm: One of `ALGORITHMS` that fits the key.
        key_id: `kid` of the key in the client's published `jwks`.
        lifetime: Seconds until it expires; it is used at once, so not many.
    """
    header = {"alg": algorithm, "typ": TYPE} | ({} if key_id is None else {"kid": key_id})
    issued_at = int(now)
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": issuer,
        "jti": token_id,
        "iat": issued_at,
        "exp": issued_at + lifetime,
    }
    return jws.serialize_compact(header, json.dumps(claims), key, algorithms=[algorithm])


def form(assertion: str) -> dict[str, str]:
    """The fields by which a token request carries an assertion (RFC 7523 §2.2)."""
    return {"client_assertion_type": JWT_BEARER, "client_assertion": assertion}


def verify(
    assertion: str,
    *,
    client_id: str,
    keys: Mapping[str, Any],
    audiences: Collection[str],
    now: float,
    algorithms: Collection[str] = ALGORITHMS,
    max_lifetime: int = MAX_LIFETIME,
) -> VerifiedAssertion:
    """Check that an assertion is the client's own, meant for this server, and fresh; the caller refuses replays.

    An assertion is dead at exactly `exp`. `exp` and `jti` are required, `nbf` and `iat` count where present.

    Args:
        assertion: `client_assertion` of the request.
        client_id: The client that the request is said to be from.
        keys: Its registered `jwks`, which holds public keys only (see `mcp_demo.oauth.client_metadata`).
        audiences: What names this server: its issuer identifier. Its token endpoint too, if old clients have to work.
        now: The time of the request.
        algorithms: The acceptable signature algorithms, whatever the assertion says.
        max_lifetime: The longest acceptable time until `exp`; as long a `jti` has to be remembered.

    Raises:
        InvalidClient: A rule is broken. Which one is said, as the client can do something about it.
    """
    header, key_id = _header(assertion, algorithms)
    claims = _signed_claims(assertion, header, _candidates(keys, header, key_id))
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise InvalidClient("`iss` and `sub` of the client assertion have to be the client id.")
    audience: object = claims.get("aud")
    names = cast("list[object]", audience) if isinstance(audience, list) else [audience]
    if len(names) != 1 or names[0] not in tuple(audiences):
        raise InvalidClient("`aud` of the client assertion has to be the issuer identifier of this server, alone.")
    token_id = text(claims, "jti", InvalidClient)
    if token_id is None:
        raise InvalidClient("The client assertion has no `jti`, so it could be replayed.")
    return VerifiedAssertion(client_id, token_id, _check_times(claims, now, max_lifetime))


def _header(assertion: str, algorithms: Collection[str]) -> tuple[Mapping[str, Any], str | None]:
    if len(assertion) > MAX_LENGTH:
        raise InvalidClient("The client assertion is too large.")
    try:
        header = jws.extract_compact(assertion.encode("ascii")).headers()
    except (JoseError, ValueError, RecursionError) as error:
        raise InvalidClient("The client assertion is not a signed JWT.") from error
    kind, key_id = header.get("typ"), header.get("kid")
    if header.get("alg") not in tuple(algorithms):
        raise InvalidClient(f"The client assertion has to be signed with one of {', '.join(algorithms)}.")
    if "crit" in header or "b64" in header:  # we understand no extension (RFC 7515 §4.1.11)
        raise InvalidClient("The client assertion uses an extension of JWS.")
    if kind is not None and (not isinstance(kind, str) or kind.lower() not in _TYPES):
        raise InvalidClient(f"The `typ` of the client assertion is not {TYPE}.")
    if key_id is not None and not isinstance(key_id, str):
        raise InvalidClient("`kid` of the client assertion is not a string.")
    return header, key_id


def _candidates(keys: Mapping[str, Any], header: Mapping[str, Any], key_id: str | None) -> Iterator[Key]:
    """The registered keys that may have made the signature; the header's own `jwk`, `jku` or `x5c` never count.

    Their `use`, `key_ops` and `alg` are observed when the signature is checked.
    """
    kind = _KINDS[header["alg"]]
    listed: object = keys.get("keys")  # what was fetched may be anything
    for members in cast("list[object]", listed) if isinstance(listed, list) else []:
        if not isinstance(members, dict):
            continue
        members = cast("dict[str, Any]", members)
        if key_id is not None and members.get("kid") != key_id:
            continue
        try:
            key = kind.import_key(members)
        except (JoseError, ValueError, TypeError, KeyError):
            continue  # of another type, or broken: one bad key does not spoil the others
        if not isinstance(key, jwk.RSAKey) or key.raw_value.key_size >= _SMALLEST_RSA_KEY:
            yield key


def _signed_claims(assertion: str, header: Mapping[str, Any], keys: Iterator[Key]) -> Mapping[str, Any]:
    # Unknown members of the header are to be ignored (RFC 7515 §4), hence no strict check.
    registry = jws.JWSRegistry(algorithms=[header["alg"]], strict_check_header=False)
    for key in keys:
        try:
            claims: object = json.loads(jws.deserialize_compact(assertion, key, registry=registry).payload)
        except (JoseError, ValueError, RecursionError):
            continue
        if isinstance(claims, dict):
            return cast("dict[str, Any]", claims)
    raise InvalidClient("The client assertion is not signed with a key that the client has registered.")


def _check_times(claims: Mapping[str, Any], now: float, max_lifetime: int) -> float:
    expires_at = _time(claims, "exp")
    if expires_at is None or now >= expires_at:
        raise InvalidClient("The client assertion has expired, or does not say when it will.")
    if expires_at > now + max_lifetime:
        raise InvalidClient(f"The client assertion may be valid for at most {max_lifetime} seconds.")
    for name in ("nbf", "iat"):
        since = _time(claims, name)
        if since is not None and since > now + _CLOCK_AHEAD:
            raise InvalidClient(f"`{name}` of the client assertion is in the future.")
    return expires_at


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    # A bool is an int to Python, but not a NumericDate (RFC 7519 §2); NaN would be later than nothing, and a number of
    # hundreds of digits is too large for a float.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST_TIME:
        raise InvalidClient(f"`{name}` of the client assertion is not a number.")
    return value
