"""Proof Key for Code Exchange (RFC 7636), method S256 only: OAuth 2.1 clients that can hash must use it."""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
_S256_CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}")


def new_verifier() -> str:
    """A fresh code verifier of 43 characters and 256 bits (RFC 7636 §4.1)."""
    return secrets.token_urlsafe(32)


def challenge(verifier: str) -> str:
    """The S256 code challenge of a verifier: BASE64URL(SHA256(ASCII(verifier))) (RFC 7636 §4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def is_verifier(value: str) -> bool:
    """Whether a value has the form of a code verifier (RFC 7636 §4.1)."""
    return _VERIFIER.fullmatch(value) is not None


def is_challenge(value: str) -> bool:
    """Whether a value has the form of an S256 code challenge (RFC 7636 §4.2)."""
    return _S256_CHALLENGE.fullmatch(value) is not None


def matches(verifier: str, code_challenge: str) -> bool:
    """Whether a verifier hashes to a challenge, compared in constant time (RFC 7636 §4.6)."""
    well_formed = is_verifier(verifier) and is_challenge(code_challenge)
    return well_formed and hmac.compare_digest(challenge(verifier), code_challenge)
