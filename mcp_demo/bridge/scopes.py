"""The scopes the bridge hands out, in words a person can decide on, and which of them a client gets to ask for."""

from collections.abc import Sequence
from dataclasses import dataclass

from mcp_demo import cognito
from mcp_demo.oauth import scopes as scope_rules
from mcp_demo.oauth.errors import InvalidScope

_REFRESH_ONLY = "offline_access"
_IDENTITY = frozenset({"openid", "profile", "email", "phone", "address"})


@dataclass(frozen=True, slots=True)
class ScopeText:
    """A scope as the consent page shows it."""

    scope: str
    title: str
    explanation: str
    optional: bool


def supported(mcp_url: str) -> tuple[str, ...]:
    """All scopes of the resource, the default one first."""
    return cognito.scopes(mcp_url)


def choose(requested: str | None, *, offered: Sequence[str], ceiling: Sequence[str]) -> tuple[str, ...]:
    """The scopes that a request may be granted, before anybody consented.

    Clients written for OpenID providers ask for `offline_access` and `openid` out of habit. The user pool refuses the
    first, and neither names anything at the resource, so they are dropped and the response's `scope` says so. A request
    that names nothing else is a request without scope in the first case (it asks for a refresh token, which comes
    anyway) and cannot be served in the second. No scope means the default: the first of `offered`, reading.

    Spec: RFC 6749 §3.3, MCP 2026-07-28 Authorization › Scope Selection Strategy.

    Args:
        requested: The `scope` parameter, None if absent.
        offered: All scopes there are, the default first.
        ceiling: The scopes the client registered for; empty for no limit.

    Raises:
        InvalidScope: Malformed, unknown, or more than the client registered for.
    """
    allowed = [scope for scope in offered if not ceiling or scope in ceiling]
    named = scope_rules.parse(requested or "")
    wanted = tuple(scope for scope in named if scope != _REFRESH_ONLY and scope not in _IDENTITY)
    if wanted and not scope_rules.missing(wanted, allowed):
        return tuple(scope for scope in allowed if scope in wanted)
    if wanted or any(scope in _IDENTITY for scope in named) or not allowed:
        raise InvalidScope(f"This client can ask for: {scope_rules.join(allowed) or 'nothing'}.")
    return (allowed[0],)


def is_covered(requested: str | None, granted: Sequence[str]) -> bool:
    """Whether a refresh asks for what was granted, no more and no less (RFC 6749 §6).

    Less would be allowed by OAuth, but the user pool cannot issue it: its token endpoint reads `scope` for client
    credentials only. A token wider than asked for must not be issued, so such a request is refused.
    """
    if requested is None:
        return True
    wanted = {scope for scope in scope_rules.parse(requested) if scope != _REFRESH_ONLY and scope not in _IDENTITY}
    return wanted == set(granted)


def in_words(scopes: Sequence[str], mcp_url: str) -> list[ScopeText]:
    """The scopes for the consent page. `write` can be refused on its own when something else remains."""
    read, write = cognito.scopes(mcp_url)
    words = {
        read: (
            "See your contexts",
            "Read your name and the contexts stored for you. It cannot change them.",
        ),
        write: (
            "Add and change contexts",
            "Store new contexts in your name. Without this it can only look.",
        ),
    }
    return [ScopeText(scope, *words[scope], optional=scope == write and len(scopes) > 1) for scope in scopes]
