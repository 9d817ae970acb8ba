"""The link with which an administrator decides upon a client: signed, for one client, for one review, for a week.

It holds no secret besides its signature, and names a review by its number. A registration gets a new number each time
it asks to be looked at, so a link works for what was shown in its mail, and for one decision.
"""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import asdict, dataclass
from typing import Any

from mcp_demo.registry.model import DAY

LIFETIME = 7 * DAY
_PURPOSE = b"decide upon a client\0"
"""Signed along, so that a signature made with this key for anything else is none here."""


class LinkRefused(Exception):
    """The link is not ours, not whole, or over; says so in a sentence."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link stands for.

    Args:
        client_id: The client that is decided upon.
        review: The number of the review.
        expires: When the link ends, in seconds since the epoch.
    """

    client_id: str
    review: str
    expires: int


def sign(key: str, link: Link) -> str:
    """The link's token for a query."""
    payload = json.dumps(asdict(link)).encode()
    return f"{_encode(payload)}.{_encode(_signature(key, payload))}"


def read(key: str, token: str, now: float) -> Link:
    """The link that a token stands for.

    Raises:
        LinkRefused: We did not sign it, or it is over.
    """
    payload, _, signature = token.partition(".")
    try:
        raw = _decode(payload)
        genuine = hmac.compare_digest(_decode(signature), _signature(key, raw))
    except (binascii.Error, ValueError):
        genuine, raw = False, b""
    if not genuine:
        raise LinkRefused("It is not whole, or it is not ours. Copy all of it from the message.")
    members: dict[str, Any] = json.loads(raw)
    link = Link(**members)
    if link.expires <= now:
        raise LinkRefused("It has expired. Decide with the command `mcp-demo clients approve` or `deny`.")
    return link


def _signature(key: str, payload: bytes) -> bytes:
    return hmac.digest(key.encode(), _PURPOSE + payload, hashlib.sha256)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
