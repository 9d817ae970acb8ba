"""Resource indicators and canonical server URIs (RFC 8707, MCP Canonical Server URI)."""

import re
from urllib.parse import SplitResult, urlsplit

from mcp_demo.oauth.errors import InvalidTarget

_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"https": 443, "http": 80}
_URI = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")


def is_uri(value: str) -> bool:
    """Whether a value has only the characters and escapes of a URI (RFC 3986 §2); spaces and backslashes do not."""
    return _URI.fullmatch(value) is not None


def is_loopback_host(host: str | None) -> bool:
    """Whether a host name is one of the three that name this machine (RFC 8252 §7.3 and §8.3)."""
    return host in _LOOPBACK_HOSTS


def is_secure_url(url: str) -> bool:
    """Whether a URL may carry credentials: https, or http on loopback (MCP, Communication Security).

    A URL with user information is refused: it shows one host and leads to another (RFC 9110 §4.2.4).
    """
    parts = _split(url)
    if parts is None or not parts.hostname or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback_host(parts.hostname))


def canonical(value: str) -> str:
    """A resource indicator with scheme and host in lower case and without a default port.

    What follows the authority is kept byte for byte: a trailing slash makes another resource.

    Spec: RFC 8707 §2, MCP Canonical Server URI.

    Raises:
        InvalidTarget: Not an absolute URI, or one with a fragment.
    """
    parts = _split(value)
    if parts is None or not parts.scheme or not parts.hostname or "#" in value or parts.username is not None:
        raise InvalidTarget("The resource must be an absolute URI without fragment and user information.")
    authority = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if parts.port is not None and parts.port != _DEFAULT_PORTS.get(parts.scheme):
        authority = f"{authority}:{parts.port}"
    rest = value[len(parts.scheme) + len("://") + len(parts.netloc) :]
    return f"{parts.scheme}://{authority}{rest}"


def _split(value: str) -> SplitResult | None:
    """The parts of a URI, or None where there is none to speak of. Its port is then known to be a number in range."""
    if not is_uri(value):
        return None
    try:
        parts = urlsplit(value)
        return parts if parts.port is None or parts.port > 0 else None
    except ValueError:
        return None
