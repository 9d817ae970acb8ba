"""Sealed envelopes: what the bridge would otherwise have to store, handed to browser and client instead.

Each is a JWE (RFC 7516), direct encryption with A256GCM under a key that only the bridge knows. The header's `typ`
names the purpose and is authenticated with the rest, so a code cannot be passed off as a refresh token. The first key
seals, all keys open: put a new key in front, and drop the old one when nothing it sealed can be alive any more. One key
may seal 2^32 envelopes (NIST SP 800-38D §8.3), far more than a bridge makes between two rotations.
"""

import hashlib
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from typing import ClassVar, Literal, TypeVar

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey
from pydantic import BaseModel, ConfigDict, ValidationError

from mcp_demo.errors import SetupError

Reason = Literal["malformed", "key", "purpose", "expired"]

_ALGORITHMS = ("dir", "A256GCM")
_MAX_LENGTH = 16_384


class EnvelopeRefused(Exception):
    """An envelope is not ours, not for this purpose, or too old.

    Args:
        reason: Which of these, for the log and for choosing words; never shown to a peer.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"envelope refused: {reason}")
        self.reason: Reason = reason


class Payload(BaseModel):
    """What is inside an envelope. Subclasses say what for, and for how many seconds it is good."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    purpose: ClassVar[str]
    lifetime: ClassVar[int]


P = TypeVar("P", bound=Payload)


class Envelopes:
    """Seals and opens.

    Args:
        keys: 32 bytes each, base64url; the first seals, all open.
        clock: Seconds since the epoch.
    """

    def __init__(self, keys: Iterable[str], clock: Callable[[], float] = time.time) -> None:
        imported = [_key(text) for text in keys]
        self._sealing = imported[0]
        self._opening = KeySet([*imported])
        self._clock = clock

    def seal(self, payload: Payload) -> str:
        """An envelope around a payload, good from now for the payload's lifetime."""
        header = {"alg": "dir", "enc": "A256GCM", "kid": self._sealing.kid, "typ": _typ(payload)}
        content = {
            "exp": int(self._clock()) + payload.lifetime,
            "p": payload.model_dump(mode="json", exclude_none=True),
        }
        return jwe.encrypt_compact(header, json.dumps(content, separators=(",", ":")), self._sealing, _ALGORITHMS)

    def open(self, kind: type[P], envelope: str) -> P:
        """The payload of an envelope that was sealed for this purpose and is still good.

        Raises:
            EnvelopeRefused: It is not.
        """
        header, content = self._decrypt(envelope)
        if header.get("typ") != _typ(kind):
            raise EnvelopeRefused("purpose")
        if content["exp"] <= self._clock():
            raise EnvelopeRefused("expired")
        try:
            return kind.model_validate(content["p"])
        except ValidationError:  # sealed by a version of this program that put other things in
            raise EnvelopeRefused("malformed") from None

    def _decrypt(self, envelope: str) -> tuple[dict[str, object], dict[str, int]]:
        # With direct encryption the second part is empty; ignoring it would give one envelope many spellings.
        if len(envelope) > _MAX_LENGTH or not envelope.isascii() or envelope.split(".")[1:2] != [""]:
            raise EnvelopeRefused("malformed")
        try:
            opened = jwe.decrypt_compact(envelope, self._opening, _ALGORITHMS)
        except (JoseError, ValueError, TypeError, KeyError):
            raise EnvelopeRefused("key") from None
        if opened.plaintext is None:
            raise EnvelopeRefused("malformed")
        return opened.protected, json.loads(opened.plaintext)


def _typ(payload: Payload | type[Payload]) -> str:
    return f"mcp-demo-{payload.purpose}"


def _key(text: str) -> OctKey:
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise SetupError("An envelope key is not 32 bytes in base64url.", "Make one with `openssl rand -base64 32`.")
    key_id = urlsafe_b64encode(hashlib.sha256(b"envelope key id" + raw).digest()[:6]).decode("ascii")
    return OctKey.import_key(raw, {"kid": key_id, "use": "enc", "alg": "dir"})
