"""Scopes: parsing, comparing and choosing them (RFC 6749 §3.3, MCP Scope Selection Strategy)."""

import re
from collections.abc import Iterable, Sequence

from mcp_demo.oauth.errors import InvalidScope

_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")


def parse(value: str) -> tuple[str, ...]:
    """The scope tokens of a space-delimited list, each once, in order of appearance.

    Spec: RFC 6749 §3.3.

    Raises:
        InvalidScope: A token has a character outside the grammar.
    """
    tokens = tuple(dict.fromkeys(value.split(" "))) if value else ()
    for token in tokens:
        if not _SCOPE_TOKEN.fullmatch(token):
            raise InvalidScope("The scope is not a list of scope tokens separated by single spaces.")
    return tokens


def join(scopes: Iterable[str]) -> str:
    """Scope tokens as a space-delimited list."""
    return " ".join(scopes)


def union(*groups: Iterable[str]) -> tuple[str, ...]:
    """All scopes of the groups, each once, in order of first appearance.

    Spec: MCP 2026-07-28, Step-Up Authorization Flow: ask for what was granted before and what is challenged now.
    """
    return tuple(dict.fromkeys(scope for group in groups for scope in group))


def missing(required: Iterable[str], granted: Iterable[str]) -> tuple[str, ...]:
    """The required scopes that are not granted. Scopes are compared whole and case-sensitively."""
    have = frozenset(granted)
    return tuple(scope for scope in required if scope not in have)


def select(challenged: Sequence[str] | None, supported: Sequence[str] | None) -> tuple[str, ...] | None:
    """The scopes to ask for first: those of the challenge, else all of the resource metadata, else none at all.

    Spec: MCP 2026-07-28, Scope Selection Strategy.

    Returns:
        The scopes, or None when the `scope` parameter is to be left out.
    """
    if challenged:
        return tuple(challenged)
    return tuple(supported) if supported else None
