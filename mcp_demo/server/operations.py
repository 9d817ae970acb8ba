"""Which scopes an operation needs, and whether a token has them (OAuth 2.1 §1.4.1, MCP Step-Up Authorization Flow)."""

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from mcp_demo import cognito
from mcp_demo.oauth import scopes as scope_rules

TOOL_SCOPES: Final[Mapping[str, str]] = {
    "whoami": "read",
    "list_contexts": "read",
    "add_context": "write",
    "whoami_downstream": "read",
}
"""The scope each tool needs, by its name within the resource server. What is not listed here needs no tool's scope."""

_ACCUMULATING_UNTIL: Final = "2025-11-25"


class Operations:
    """The scopes of this server and what they open.

    Scopes are flat: `write` does not imply `read`. Whatever is not a call of a tool (listing tools, the handshake, a
    ping) is open to every token that holds at least one scope of this server.

    Args:
        resource: The canonical URI of the server, which its scopes begin with.
    """

    def __init__(self, resource: str) -> None:
        self.all = cognito.scopes(resource)
        self.basic = (cognito.scope(resource, "read"),)
        self._tools = {tool: (cognito.scope(resource, name),) for tool, name in TOOL_SCOPES.items()}

    def for_tool(self, tool: str) -> tuple[str, ...]:
        """All scopes that a call of this tool needs."""
        return self._tools.get(tool, self.basic)

    def missing(self, body: bytes, granted: tuple[str, ...]) -> tuple[str, ...]:
        """All scopes the operation in this body needs, if one of them is not granted; else nothing.

        The body decides, not the `Mcp-Name` header: whether the two agree is for the SDK to check. What is not a single
        JSON-RPC request names no tool; the SDK refuses it, batches included, and each tool asks again before it acts.
        """
        tool = called_tool(body)
        if tool is not None:
            needed = self.for_tool(tool)
            return needed if scope_rules.missing(needed, granted) else ()
        return () if self.holds_any(granted) else self.basic

    def holds_all(self, granted: tuple[str, ...]) -> bool:
        """Whether no operation can be refused for its scope, so that nobody has to look which one it is."""
        return not scope_rules.missing(self.all, granted)

    def holds_any(self, granted: tuple[str, ...]) -> bool:
        """Whether the token was issued for this server's use at all."""
        return not frozenset(self.all).isdisjoint(granted)

    def challenged(self, needed: tuple[str, ...], granted: tuple[str, ...], version: str | None) -> tuple[str, ...]:
        """The scopes that a 403 names.

        Up to 2025-11-25 the server repeats what is already granted, lest re-authorization lose it; since 2026-07-28 the
        client accumulates, and the server names the operation's scopes only.

        Spec: MCP 2025-11-25 and 2026-07-28 Authorization › Runtime Insufficient Scope Errors.
        """
        if version is not None and version > _ACCUMULATING_UNTIL:
            return needed
        return tuple(scope for scope in self.all if scope in granted or scope in needed)


def called_tool(body: bytes) -> str | None:
    """The tool that a JSON-RPC `tools/call` names, or None for every other body."""
    try:
        message: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict):
        return None
    members = cast("dict[str, Any]", message)
    params: object = members.get("params")
    if members.get("method") != "tools/call" or not isinstance(params, dict):
        return None
    name: object = cast("dict[str, Any]", params).get("name")
    return name if isinstance(name, str) else None
