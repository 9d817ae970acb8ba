"""Resource indicators and canonical server URIs (RFC 8707, MCP Canonical Server URI)."""

from urllib.parse import urlsplit, urlunsplit

from mcp_demo.oauth.errors import InvalidTarget

_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"https": 443, "http": 80}


def is_loopback_host(host: str | None) -> bool:
    """Whether a host name is one of the three that name this machine (RFC 8252 §7.3 and §8.3)."""
    return host in _LOOPBACK_HOSTS


def is_secure_url(url: str) -> bool:
    """Whether a URL may carry credentials: https, or http on loopback (MCP, Communication Security)."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback_host(host)))


def canonical(value: str) -> str:
    """A resource indicator with scheme and host in lower case and without a default port.

    The path is kept byte for byte: a trailing slash makes another resource.

    Spec: RFC 8707 §2, MCP Canonical Server URI.

    Raises:
        InvalidTarget: Not an absolute URI, or one with a fragment.
    """
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidTarget("The resource is not a URI.") from error
    if not parts.scheme or not host or "#" in value or parts.username is not None:
        raise InvalidTarget("The resource must be an absolute URI without fragment and user information.")
    authority = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS.get(parts.scheme):
        authority = f"{authority}:{port}"
    return urlunsplit((parts.scheme, authority, parts.path, parts.query, ""))
