"""DPoP: a proof with every request that whoever sends the token also holds the key it is bound to (RFC 9449).

    proof(key, method=..., url=..., token_id=..., now=...) -> str     goes into the `DPoP` header of one request
    verify(proof, method=..., url=..., now=...) -> VerifiedProof      raises InvalidDpopProof
    asks_for_nonce(status, challenges, body) -> bool                  whether a refusal can be helped by its nonce

A proof is for one method, one URL and, at a resource server, one access token. Whether its `jti` was seen before is for
the caller to know, as that needs a memory.
"""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, cast
from urllib.parse import urlsplit

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from mcp_demo.oauth import challenge, members
from mcp_demo.oauth.errors import InvalidDpopProof

ALGORITHM: Final = "ES256"
TYPE: Final = "dpop+jwt"
MAX_AGE: Final = 300
_LATEST_TIME = 253_402_300_799  # the year 9999
_MAX_LENGTH = 8192
_CLOCK_AHEAD = 60
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class VerifiedProof:
    """What is left to do after `verify`: refuse a known `token_id`, and compare the key with the token's `cnf`."""

    token_id: str
    key_thumbprint: str
    nonce: str | None


def proof(
    key: ECKey,
    *,
    method: str,
    url: str,
    token_id: str,
    now: float,
    access_token: str | None = None,
    nonce: str | None = None,
) -> str:
    """A proof for one request (RFC 9449 §4.2).

    Args:
        key: A P-256 key, private; its public half goes into the header.
        method: Of the request.
        url: Of the request; query and fragment are left out.
        token_id: `jti`; a fresh random string for every proof.
        now: When it is made.
        access_token: The token that the request carries, if any (RFC 9449 §7).
        nonce: What the server gave out last in `DPoP-Nonce`, if anything (RFC 9449 §8).
    """
    header = {"typ": TYPE, "alg": ALGORITHM, "jwk": key.as_dict(private=False)}
    claims: dict[str, Any] = {"jti": token_id, "htm": method, "htu": _target(url), "iat": int(now)}
    if access_token is not None:
        claims["ath"] = hash_of(access_token)
    if nonce is not None:
        claims["nonce"] = nonce
    return jws.serialize_compact(header, json.dumps(claims), key, algorithms=[ALGORITHM])


def hash_of(access_token: str) -> str:
    """The value of `ath` for an access token (RFC 9449 §4.2)."""
    return urlsafe_b64encode(sha256(access_token.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def verify(text: str, *, method: str, url: str, now: float, access_token: str | None = None) -> VerifiedProof:
    """Check that a proof was made for this request, a short while ago, by whoever holds the key it names.

    Args:
        text: The `DPoP` header; a request may have only one (RFC 9449 §4.3).
        method: Of the request.
        url: Of the request, as the client sees it.
        now: The time of the request.
        access_token: The token that came with it, if any.

    Spec: RFC 9449 §4.3.

    Raises:
        InvalidDpopProof: A rule is broken.
    """
    header, claims = _signed(text)
    token_id, nonce = members.text(claims, "jti", InvalidDpopProof), claims.get("nonce")
    if token_id is None:
        raise InvalidDpopProof("The DPoP proof has no `jti`.")
    if claims.get("htm") != method or not _same_target(claims.get("htu"), url):
        raise InvalidDpopProof("The DPoP proof was made for another request.")
    issued_at = claims.get("iat")
    if isinstance(issued_at, bool) or not isinstance(issued_at, int | float) or not 0 <= issued_at <= _LATEST_TIME:
        raise InvalidDpopProof("The DPoP proof does not say when it was made.")
    if not now - MAX_AGE <= issued_at <= now + _CLOCK_AHEAD:
        raise InvalidDpopProof("The DPoP proof was not made just now.")
    hashed = members.text(claims, "ath", InvalidDpopProof)
    if access_token is not None and not (hashed is not None and _equal(hashed, hash_of(access_token))):
        raise InvalidDpopProof("The DPoP proof was made for another access token.")
    thumbprint = ECKey.import_key(header["jwk"]).thumbprint()
    return VerifiedProof(token_id, thumbprint, nonce if isinstance(nonce, str) else None)


def asks_for_nonce(status: int, challenges: Iterable[str], body: bytes) -> bool:
    """Whether a refusal means: once more, with the nonce of the `DPoP-Nonce` header.

    An authorization server says so in the body, a resource server in the challenge.

    Spec: RFC 9449 §8 and §9.
    """
    if status == 401:
        refusals = (found for found in challenge.parse(challenges) if found.scheme.lower() == "dpop")
        return any(found.parameters.get("error") == "use_dpop_nonce" for found in refusals)
    if status != 400:
        return False
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and cast("dict[str, Any]", document).get("error") == "use_dpop_nonce"


def _signed(text: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims, the signature checked with the key in the header."""
    if len(text) > _MAX_LENGTH:
        raise InvalidDpopProof("The DPoP proof is too large.")
    try:
        header = jws.extract_compact(text.encode("ascii")).headers()
        jwk = header.get("jwk")
        if header.get("typ") != TYPE or header.get("alg") != ALGORITHM or not isinstance(jwk, dict):
            raise InvalidDpopProof(f"The DPoP proof is not a {TYPE} with its key, signed with {ALGORITHM}.")
        if "d" in jwk:
            raise InvalidDpopProof("The DPoP proof carries a private key.")
        key = ECKey.import_key(cast("dict[str, str | list[str]]", jwk))
        registry = jws.JWSRegistry(algorithms=[ALGORITHM], strict_check_header=False)
        claims: object = json.loads(jws.deserialize_compact(text, key, registry=registry).payload)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise InvalidDpopProof("The DPoP proof is not a JWT signed with the key it carries.") from error
    if not isinstance(claims, dict):
        raise InvalidDpopProof("The DPoP proof has no claims.")
    return header, cast("dict[str, Any]", claims)


def _target(url: str) -> str:
    return url.partition("#")[0].partition("?")[0]


def _same_target(claimed: object, url: str) -> bool:
    """Whether `htu` is this URL, after the normalization that RFC 9449 §4.3 asks for (RFC 3986 §6.2.2, §6.2.3)."""
    if not isinstance(claimed, str) or claimed != _target(claimed):
        return False
    try:
        return _parts(claimed) == _parts(_target(url))
    except ValueError:
        return False


def _parts(url: str) -> tuple[str, str, int | None, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme), parts.path or "/"


def _equal(claimed: str, expected: str) -> bool:
    return hmac.compare_digest(claimed.encode(), expected.encode())
