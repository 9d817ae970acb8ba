"""Redirect URIs: which one may be used, and how a response is put on it (OAuth 2.1 §2.3, RFC 8252 §7.3).

URIs are taken apart as they stand. `urllib` drops tabs and line breaks and forgives much else, so that what it reads
and what a browser opens can differ.
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlencode

from mcp_demo.oauth.resource import is_loopback_host, is_uri

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_AUTHORITY = re.compile(
    r"([A-Za-z][A-Za-z0-9+.\-]*)://([^/?#]*@)?(\[[0-9A-Fa-f:.]+\]|[^/?#@:\[\]\\]*)(?::([0-9]+))?(?=[/?#]|\Z)"
)
# Schemes whose "resource" a browser runs, reads from disk or hands to something that is no OAuth client.
_NEVER = frozenset(
    {"about", "blob", "chrome", "data", "file", "filesystem", "ftp", "intent", "jar", "javascript", "mailto"}
    | {"sms", "tel", "urn", "vbscript", "view-source", "ws", "wss"}
)


def without_port(uri: str) -> str:
    """A URI as it stands, its port cut out; the rest stays byte for byte.

    Raises:
        ValueError: The port is out of range.
    """
    match = _AUTHORITY.match(uri)
    if match is None or match[4] is None:
        return uri
    if not _is_port(match[4]):
        raise ValueError("the port is out of range")
    return uri[: match.start(4) - 1] + uri[match.end(4) :]


def is_loopback(uri: str) -> bool:
    """Whether a redirect URI is plain http on this machine (RFC 8252 §7.3)."""
    match = _AUTHORITY.match(uri)
    if match is None or match[2] is not None or match[1].lower() != "http" or not is_uri(uri):
        return False
    return is_loopback_host(match[3].strip("[]").lower()) and (match[4] is None or _is_port(match[4]))


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
    bare = without_port(requested)
    return any(is_loopback(uri) and without_port(uri) == bare for uri in known)


def objection(uri: str) -> str | None:
    """What speaks against registering a redirect URI, in words that follow "it", or None.

    Which private-use schemes are welcome is policy and not decided here.

    Spec: OAuth 2.1 §2.3 and §2.3.1, RFC 8252 §7.1 and §8.3, MCP 2026-07-28 Communication Security.
    """
    scheme = _SCHEME.match(uri)
    if scheme is None or not is_uri(uri):
        return "is not an absolute URI"
    if "#" in uri:
        return "has a fragment"
    name = scheme[1].lower()
    if name in _NEVER:
        return f"has the scheme {name}, which leads to no client"
    if name not in {"http", "https"}:
        return None if len(uri) > scheme.end() else "is a scheme and nothing else"
    authority = _AUTHORITY.match(uri)
    if authority is None or not authority[3] or not (authority[4] is None or _is_port(authority[4])):
        return "has no valid host and port"
    if authority[2] is not None:
        return "carries user information"
    return None if name == "https" or is_loopback(uri) else "is plain http on a host other than this machine"


def with_parameters(uri: str, parameters: Mapping[str, str]) -> str:
    """A URI with parameters added to the query it may have, which stays byte for byte (RFC 6749 §3.1 and §3.1.2)."""
    base, mark, fragment = uri.partition("#")
    if not parameters:
        return uri
    joint = "" if base.endswith(("?", "&")) else "&" if "?" in base else "?"
    return base + joint + urlencode(parameters) + mark + fragment


def _is_port(digits: str) -> bool:
    return len(digits) <= 5 and 0 < int(digits) <= 65535
