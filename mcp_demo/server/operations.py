"""Which scopes an operation needs, and whether a token has them (OAuth 2.1 §1.4.1, MCP Step-Up Authorization Flow)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcp_demo import cognito
from mcp_demo.oauth import scopes as scope_rules
from mcp_demo.server.credentials import REPEATED, Fields

TOOL_SCOPES: Final[Mapping[str, str]] = {
    "whoami": "read",
    "list_contexts": "read",
    "add_context": "write",
    "whoami_downstream": "read",
}
"""The scope each tool needs, by its name within the resource server. What is not listed here needs no tool's scope."""

_ACCUMULATING_UNTIL: Final = "2025-11-25"
_COMPARED: Final = frozenset(version.encode() for version in MODERN_PROTOCOL_VERSIONS)


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
        self._all = frozenset(self.all)
        self._tools = {tool: (cognito.scope(resource, name),) for tool, name in TOOL_SCOPES.items()}

    def for_tool(self, tool: str) -> tuple[str, ...]:
        """All scopes that a call of this tool needs."""
        return self._tools.get(tool, self.basic)

    def missing(self, tool: str | None, granted: tuple[str, ...]) -> tuple[str, ...]:
        """All scopes that a request needs, if one of them is not granted; else nothing.

        It calls this tool, or none at all: then any scope of this server will do.

        Each tool asks again before it acts: a difference between two readings of a request opens nothing.
        """
        if tool is not None:
            needed = self.for_tool(tool)
            return needed if scope_rules.missing(needed, granted) else ()
        return () if self.holds_any(granted) else self.basic

    def holds_all(self, granted: tuple[str, ...]) -> bool:
        """Whether no operation can be refused for its scope, so that nobody has to look which one it is."""
        return self._all.issubset(granted)

    def holds_any(self, granted: tuple[str, ...]) -> bool:
        """Whether the token was issued for this server's use at all."""
        return not self._all.isdisjoint(granted)

    def challenged(self, needed: tuple[str, ...], granted: tuple[str, ...], version: str) -> tuple[str, ...]:
        """The scopes that a 403 names.

        Up to 2025-11-25 the server repeats what is already granted, lest re-authorization lose it; since 2026-07-28 the
        client accumulates, and the server names the operation's scopes only.

        Spec: MCP 2025-11-25 and 2026-07-28 Authorization › Runtime Insufficient Scope Errors.
        """
        if version > _ACCUMULATING_UNTIL:
            return needed
        return tuple(scope for scope in self.all if scope in granted or scope in needed)


@dataclass(frozen=True, slots=True)
class Announced:
    """The tool that a request's headers say its body calls; None for a request that calls none."""

    tool: str | None


_NO_TOOL: Final = Announced(None)
_TOOLS: Final = {name.encode(): Announced(name) for name in TOOL_SCOPES}


def announced(fields: Fields) -> Announced | None:
    """What the headers say the body holds, so that nobody has to read it for its scopes; None where only it can tell.

    They can be relied on since 2026-07-28 alone: there the SDK compares `Mcp-Method` and `Mcp-Name` with the body and
    refuses a request that says two things, before any of it runs. A name that is none of our tools as it stands (it may
    be encoded) is left to the body, and so is whatever is said twice.

    Spec: MCP 2026-07-28 Streamable HTTP › Standard Request Headers and Server Validation.
    """
    method, name = fields.get(b"mcp-method"), fields.get(b"mcp-name", b"")
    if fields.get(b"mcp-protocol-version") not in _COMPARED or method in (None, REPEATED) or name == REPEATED:
        return None
    return _TOOLS.get(name) if method == b"tools/call" else _NO_TOOL


def called_tool(message: Mapping[str, Any]) -> str | None:
    """The tool that a JSON-RPC `tools/call` names, or None for every other message.

    What is not a single JSON-RPC request names no tool; the SDK refuses it, batches included.
    """
    params: object = message.get("params")
    if message.get("method") != "tools/call" or not isinstance(params, dict):
        return None
    name: object = cast("dict[str, Any]", params).get("name")
    return name if isinstance(name, str) else None
