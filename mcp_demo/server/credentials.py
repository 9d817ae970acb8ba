"""How a request carries its token: in one Authorization header, and nowhere else (OAuth 2.1 §5.1, RFC 6750 §2)."""

from collections.abc import Iterable
from urllib.parse import parse_qsl

from mcp_demo.oauth.errors import InvalidRequest

RawHeaders = Iterable[tuple[bytes, bytes]]


def values(headers: RawHeaders, name: bytes) -> list[str]:
    """All values of a header field of an ASGI request, whose names are in lower case."""
    return [value.decode("latin-1") for key, value in headers if key == name]


def bearer_token(headers: RawHeaders) -> str | None:
    """What the Authorization header calls a token, or None where there is no header or it is of another scheme.

    A token in the query is not looked at (OAuth 2.1 §5.1). An unsupported scheme counts as no credentials, so that the
    challenge names no error (RFC 6750 §3.1).

    Raises:
        InvalidRequest: Two Authorization headers, or a Bearer one without a token.
    """
    fields = values(headers, b"authorization")
    if not fields:
        return None
    if len(fields) > 1:
        raise InvalidRequest("The request has more than one Authorization header.")
    scheme, _, rest = fields[0].strip(" \t").partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = rest.strip(" \t")
    if not token:
        raise InvalidRequest("The Authorization header names Bearer but holds no token.")
    if "," in token:  # stands in no token: what is in front of us, such as API Gateway, joined two headers
        raise InvalidRequest("The request has more than one Authorization header.")
    return token


def is_form(headers: RawHeaders) -> bool:
    """Whether the body is a form, the one kind of body that RFC 6750 §2.2 would let carry a token."""
    for name, value in headers:
        if name == b"content-type" and value.partition(b";")[0].strip().lower() == b"application/x-www-form-urlencoded":
            return True
    return False


def form_has_token(body: bytes) -> bool:
    """Whether a form carries a second token besides the header's (RFC 6750 §2)."""
    return any(name == "access_token" for name, _ in parse_qsl(body.decode("latin-1"), keep_blank_values=True))
