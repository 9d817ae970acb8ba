"""How a request carries its token: in one Authorization header, and nowhere else (OAuth 2.1 §5.1, RFC 6750 §2)."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import parse_qsl

from mcp_demo.oauth.errors import InvalidRequest

Fields = Mapping[bytes, bytes]

REPEATED: Final = b"\0"
"""Stands for the values of a field that comes more than once. No field has this value (RFC 9110 §5.5)."""


def fields_of(headers: Collection[tuple[bytes, bytes]]) -> Fields:
    """The header fields of an ASGI request by name, which is in lower case.

    Whoever decides by a field sees whether it is said once: of two values, two readers could each take another one.
    """
    fields = dict(headers)
    if len(fields) < len(headers):
        times = Counter(name for name, _ in headers)
        fields |= {name: REPEATED for name, count in times.items() if count > 1}
    return fields


def bearer_token(fields: Fields) -> str | None:
    """What the Authorization header calls a token, or None where there is no header or it is of another scheme.

    A token in the query is not looked at (OAuth 2.1 §5.1). An unsupported scheme counts as no credentials, so that the
    challenge names no error (RFC 6750 §3.1).

    Raises:
        InvalidRequest: Two Authorization headers, or a Bearer one without a token.
    """
    field = fields.get(b"authorization")
    if field is None:
        return None
    if field == REPEATED:
        raise InvalidRequest("The request has more than one Authorization header.")
    scheme, _, rest = field.decode("latin-1").strip(" \t").partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = rest.strip(" \t")
    if not token:
        raise InvalidRequest("The Authorization header names Bearer but holds no token.")
    if "," in token:  # stands in no token: what is in front of us, such as API Gateway, joined two headers
        raise InvalidRequest("The request has more than one Authorization header.")
    return token


def is_form(fields: Fields) -> bool:
    """Whether the body may be a form, the one kind of body that RFC 6750 §2.2 would let carry a token."""
    kind = fields.get(b"content-type", b"")
    return kind == REPEATED or kind.partition(b";")[0].strip().lower() == b"application/x-www-form-urlencoded"


def form_has_token(body: bytes) -> bool:
    """Whether a form carries a second token besides the header's (RFC 6750 §2)."""
    return any(name == "access_token" for name, _ in parse_qsl(body.decode("latin-1"), keep_blank_values=True))
