"""The test issuer: signs access tokens that the target trusts, each with one defect (RFC 8725, RFC 9068).

Whoever holds the keys of a target's issuer can test each rule alone: a token that is right in everything but one thing
has to be refused for that thing.
"""

import hmac
import json
import time
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import CertificateBuilder, Name, NameAttribute, random_serial_number
from cryptography.x509.oid import NameOID
from joserfc.jwk import RSAKey

DROP = object()
"""As the value of a claim or header member: leave it out."""

_LIFETIME = 300


@dataclass(frozen=True, slots=True)
class TestIssuer:
    """An issuer that the target trusts.

    Args:
        issuer: As in `iss`.
        key: Its private key, with the `kid` that it publishes.
        resource: The audience of the target.
        scopes: All scopes of the target, the basic one first.
        audience: `resource`: tokens name the target in `aud`. `scope`: they have no `aud`, only its scopes.
        claims: What else a token of this issuer carries.
        clock: Seconds since the epoch.
    """

    __test__ = False  # not a test class, whatever its name suggests to pytest

    issuer: str
    key: RSAKey = field(repr=False)
    resource: str
    scopes: tuple[str, ...]
    audience: str = "resource"
    claims: Mapping[str, Any] = field(default_factory=dict[str, Any])
    clock: Callable[[], float] = time.time

    def token(self, *, header: Mapping[str, Any] | None = None, key: RSAKey | None = None, **claims: Any) -> str:
        """A good access token of the basic scope, changed as told; a value of `DROP` leaves a member out."""
        members = _changed({"alg": "RS256", "kid": self.key.kid}, header or {})
        return self.sign(members, _changed(self.token_claims(), claims), key)

    def sign(self, header: Mapping[str, Any], claims: Mapping[str, Any], key: RSAKey | None = None) -> str:
        """A token of exactly this content, signed with the issuer's key or another one."""
        signer = _rsa_signer(key or self.key, str(header.get("alg")))
        return by_hand(header, json.dumps(claims).encode(), signer)

    def token_claims(self) -> dict[str, Any]:
        """The claims of a good access token."""
        now = int(self.clock())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": "6b0f2c52-0000-4000-8000-conformance1",
            "client_id": "conformance",
            "token_use": "access",
            "scope": self.scopes[0],
            "iat": now,
            "exp": now + _LIFETIME,
            "jti": "conformance",
        }
        audience = {"aud": self.resource} if self.audience == "resource" else {}
        return claims | audience | dict(self.claims)


def by_hand(header: Mapping[str, Any], payload: bytes, sign: Callable[[bytes], bytes]) -> str:
    """A compact JWS put together without a library, for no library makes what must not exist."""
    signed = b".".join((encode(json.dumps(header).encode()), encode(payload)))
    return b".".join((signed, encode(sign(signed)))).decode("ascii")


def hmac_signer(secret: bytes, algorithm: str = "HS256") -> Callable[[bytes], bytes]:
    """Signs with an HMAC, for tokens that pretend a public key to be a shared secret."""
    return lambda signed: hmac.new(secret, signed, f"sha{algorithm[-3:]}").digest()


def encode(data: bytes) -> bytes:
    """Base64url without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(data).rstrip(b"=")


def decode(segment: str) -> bytes:
    """The reverse of `encode`."""
    return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def certificate(key: RSAKey) -> str:
    """A self-signed certificate for a key, as `x5c` carries it (RFC 7515 §4.1.6)."""
    name = Name([NameAttribute(NameOID.COMMON_NAME, "conformance")])
    start = datetime.now(UTC)
    private = key.get_op_key("sign")
    made = (
        CertificateBuilder(name, name, private.public_key(), random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=1))
        .sign(private, SHA256())
    )
    return b64encode(made.public_bytes(Encoding.DER)).decode()


def _changed(members: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (members | dict(changes)).items() if value is not DROP}


def verifies(token: str, key: RSAKey, algorithm: str) -> bool:
    """Whether the signature of a compact JWS is good, whatever else its header says."""
    head, payload, signature = token.split(".")
    digest, scheme = _scheme(algorithm)
    try:
        key.get_op_key("verify").verify(decode(signature), f"{head}.{payload}".encode(), scheme, digest)
    except (InvalidSignature, ValueError):
        return False
    return True


def _rsa_signer(key: RSAKey, algorithm: str) -> Callable[[bytes], bytes]:
    """Signs with RSASSA, whatever the header says, so that a dishonest header can carry an honest signature."""
    digest, scheme = _scheme(algorithm)
    private = key.get_op_key("sign")
    return lambda signed: private.sign(signed, scheme, digest)


def _scheme(algorithm: str) -> "tuple[SHA256 | SHA384 | SHA512, PSS | PKCS1v15]":
    digest = {"256": SHA256(), "384": SHA384(), "512": SHA512()}.get(algorithm[-3:], SHA256())
    return digest, PSS(MGF1(digest), digest.digest_size) if algorithm.startswith("PS") else PKCS1v15()
