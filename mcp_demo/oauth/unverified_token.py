"""A token taken apart, before anybody may believe a word of it (RFC 7515 §5.2, RFC 7519 §7.2).

What no key could save is refused here: `mcp_demo.oauth.access_token` then judges what is left.
"""

import json
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal, NoReturn, cast

from mcp_demo.oauth.errors import InvalidToken

Reason = Literal[
    "size",
    "format",
    "header",
    "algorithm",
    "key",
    "signature",
    "claims",
    "issuer",
    "token_use",
    "expired",
    "not_yet_valid",
    "issued_in_future",
    "audience",
]

REASONS: Mapping[Reason, str] = {
    "size": "The access token is too large.",
    "format": "The access token is not a signed JWT.",
    "header": "The header of the access token is not acceptable.",
    "algorithm": "The access token is not signed with the algorithm this server expects.",
    "key": "The access token is signed with a key that its issuer does not publish.",
    "signature": "The signature of the access token does not verify.",
    "claims": "A claim of the access token is missing or malformed.",
    "issuer": "The access token comes from an issuer this server does not trust.",
    "token_use": "The token is not an access token.",
    "expired": "The access token has expired.",
    "not_yet_valid": "The access token is not valid yet.",
    "issued_in_future": "The access token claims to be issued in the future.",
    "audience": "The access token is meant for another server.",
}
"""Every reason to refuse a token, in words that may be shown to the client."""

ACCESS_TOKEN_TYPES: Final = frozenset({"at+jwt", "application/at+jwt"})
"""What `typ` says of an access token (RFC 9068 §2.1)."""

MAX_TOKEN_LENGTH: Final = 8192
_MAX_HEADER_LENGTH = 683  # 512 octets in base64url
_MAX_KEY_ID_LENGTH = 256
_TYPES = ACCESS_TOKEN_TYPES | {"jwt"}
_STANDARD_ALPHABET = bytes.maketrans(b"-_+/=", b"+/***")  # where `+`, `/` and `=` are no part of base64url


class TokenRejected(InvalidToken):
    """The token is not an access token for this server (RFC 6750 §3.1).

    Args:
        reason: Which rule it broke.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(REASONS[reason])
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token taken apart. Nothing in it may be believed; `key_id` and `issuer` only say what to look up."""

    key_id: str
    issuer: str
    algorithm: str
    kind: str
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)


def read(token: str) -> Unverified:
    """Take a token apart.

    Spec: RFC 7515 §5.2, RFC 7519 §7.2, RFC 8725 §3.10: `kid` is a name to look up, never a path or a URL, and `jwk`,
    `jku`, `x5c` and `x5u` are ignored.

    Raises:
        TokenRejected: Not a compact JWS with a JSON object in it, or a header that no key could make acceptable.
    """
    if len(token) > MAX_TOKEN_LENGTH:
        raise TokenRejected("size")
    segments = token.split(".")
    if len(segments) != 3:
        raise TokenRejected("format")
    if len(segments[0]) > _MAX_HEADER_LENGTH:
        raise TokenRejected("size")
    signature = _decode(segments[2])
    key_id, algorithm, kind = _read_header(segments[0])
    claims = _object(segments[1])
    signed = token.rpartition(".")[0].encode("ascii")
    return Unverified(key_id, string_claim(claims, "iss"), algorithm, kind, signed, signature, claims)


def string_claim(claims: Mapping[str, Any], name: str) -> str:
    """A claim that is text, and not empty.

    Raises:
        TokenRejected: It is not.
    """
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise TokenRejected("claims")
    return value


@lru_cache(maxsize=64)
def _read_header(segment: str) -> tuple[str, str, str]:
    """`kid`, `alg` and `typ`. All tokens that an issuer signs with one key begin with the same segment."""
    header = _object(segment)
    if "crit" in header or "b64" in header:  # we understand no extension (RFC 7515 §4.1.11)
        raise TokenRejected("header")
    algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str):
        raise TokenRejected("algorithm")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise TokenRejected("header")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= _MAX_KEY_ID_LENGTH:
        raise TokenRejected("header")
    return key_id, algorithm, kind.lower()


def _object(segment: str) -> Mapping[str, Any]:
    try:
        value: object = _JSON.decode(_decode(segment).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise TokenRejected("format") from error
    if not isinstance(value, dict):
        raise TokenRejected("format")
    return cast("dict[str, Any]", value)


def _decode(segment: str) -> bytes:
    """Base64url in its one canonical spelling, or two different strings would be the same signature (RFC 7515 §2)."""
    try:
        text = segment.encode("ascii").translate(_STANDARD_ALPHABET)
        data = a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)
    except ValueError as error:
        raise TokenRejected("format") from error
    rest = len(data) % 3
    # The last character may hold bits that no octet needs: they have to be zero.
    if rest and not b2a_base64(data[-rest:]).startswith(text[-rest - 1 :]):
        raise TokenRejected("format")
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):  # two readers could believe two different values (RFC 7519 §4)
        raise ValueError("a member appears twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
