"""The exercises of notebook 08: saying what is missing, and noticing a stolen refresh token."""

from typing import Any

from mcp_demo.lab import repairs
from mcp_demo.lab.exercise import exercise
from mcp_demo.lab.repairs import Server
from mcp_demo.registry.families import Rotation


@exercise(
    "missing-scope",
    mutant="sends_a_bare_403",
    kind=repairs.challenge(),
    stub="""
    def say_what_is_missing(parameters, status, server):
        if status == 403:
            # TODO: add `error`, `scope` and `resource_metadata`; server.scopes is (read, write).
            pass
        return parameters
    """,
    nudge="Look at the card of the 403 above: three parameters. The call that was refused needs write.",
    section="MCP 2026-07-28 Authorization › Scope Challenge Handling",
)
def missing_scope(parameters: dict[str, str], status: int, server: Server) -> dict[str, str]:
    """The error, what would do, and where to read on."""
    if status == 403:
        parameters["error"] = "insufficient_scope"
        parameters["scope"] = server.scopes[1]
        parameters["resource_metadata"] = server.metadata
    return parameters


newest: dict[str, int] = {}


@exercise(
    "refresh-rotation",
    mutant="old_refresh_token",
    kind=repairs.rule("mcp_demo.bridge.stores.MemoryFamilies.rotate"),
    stub="""
    from mcp_demo.registry.families import Rotation

    newest = {}

    def rotate(bridge, family, generation, **times):
        # TODO: if this is not the newest of its family, end the family and return Rotation("reused").
        newest[family] = generation + 1
        return Rotation("rotated", generation + 1)
    """,
    nudge="A family that `newest` does not know is at generation 0. What could it hold that no token ever has?",
    section="OAuth 2.1 §4.3.1",
)
def rotate(bridge: object, family: str, generation: int, **times: Any) -> Rotation:
    """A second use is a replay: nothing of the family works any more."""
    if generation != newest.get(family, 0):
        newest[family] = -1
        return Rotation("reused")
    newest[family] = generation + 1
    return Rotation("rotated", generation + 1)
