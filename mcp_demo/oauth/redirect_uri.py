"""Redirect URIs: which one may be used, and how a response is put on it (OAuth 2.1 §2.3, RFC 8252 §7.3)."""

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from mcp_demo.oauth.resource import is_loopback_host


def without_port(uri: str) -> str:
    """A URI as it stands, its port cut out; the rest stays byte for byte."""
    parts = urlsplit(uri)
    if parts.port is None:
        return uri
    head, _, tail = parts.netloc.rpartition(":")
    return uri.replace(f"{head}:{tail}", head, 1)


def is_loopback(uri: str) -> bool:
    """Whether a redirect URI is plain http on this machine (RFC 8252 §7.3)."""
    try:
        parts = urlsplit(uri)
        return parts.scheme == "http" and is_loopback_host(parts.hostname) and parts.username is None
    except ValueError:
        return False


def is_registered(requested: str, registered: Iterable[str]) -> bool:
    """Whether a requested redirect URI is one of the registered ones.

    Simple string comparison; for loopback URIs any port is allowed and nothing else may differ.

    Spec: OAuth 2.1 §2.3.1, RFC 8252 §7.3, RFC 3986 §6.2.1.
    """
    known = tuple(registered)
    if requested in known:
        return True
    if not is_loopback(requested):
        return False
    try:
        bare = without_port(requested)
        return any(is_loopback(uri) and without_port(uri) == bare for uri in known)
    except ValueError:  # a port that is no number
        return False


def with_parameters(uri: str, parameters: Mapping[str, str]) -> str:
    """A redirect URI with response parameters added to the query it may already have (RFC 6749 §3.1.2)."""
    parts = urlsplit(uri)
    query = parse_qsl(parts.query, keep_blank_values=True) + list(parameters.items())
    return urlunsplit(parts._replace(query=urlencode(query)))
