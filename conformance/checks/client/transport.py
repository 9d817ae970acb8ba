"""What belongs to every request to an MCP server (MCP Streamable HTTP)."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from conformance.check import Blocked, Problem, Problems
from conformance.checks.client import checks
from conformance.personas import Hit, Play
from conformance.views.client import Client, answer_of, body_of

_META = "io.modelcontextprotocol/protocolVersion"


@checks.add(
    "client.transport.protocol-version",
    "CL-PROTO-VERSION-HEADER",
    expected="MCP-Protocol-Version on every request: the negotiated one, or since 2026-07-28 the one in _meta",
    why="Without it the server has to guess the revision, and may refuse; requests that are repeated lose it easily.",
    fix="Set the header where requests are made, so that those after an authorization have it too.",
)
def protocol_version(client: Client) -> Problems:
    """Requests to the server name the protocol version."""
    client.control()
    looked = 0
    for play in (client.control(), client.play("expiry"), client.play("step-up")):
        for hit, wanted in _expected(play):
            looked += 1
            found = hit.request.header("mcp-protocol-version")
            if found != wanted:
                words = "no MCP-Protocol-Version" if found is None else f"MCP-Protocol-Version {found}"
                yield Problem(f"{hit.request.method} has {words} instead of {wanted}", hit.exchange)
                return
    if not looked:
        raise Blocked("The client made no request that has to name the protocol version.")


def _expected(play: Play) -> Iterator[tuple[Hit, str]]:
    """The requests of a run with the version that each has to name."""
    negotiated: str | None = None
    for hit in play.calls:
        message = body_of(hit)
        params = _object(message.get("params"))
        modern = _object(params.get("_meta")).get(_META)
        if isinstance(modern, str):
            yield hit, modern
        elif message.get("method") == "initialize":
            chosen = _object(answer_of(hit).get("result")).get("protocolVersion")
            negotiated = chosen if isinstance(chosen, str) else negotiated
        elif negotiated is not None:
            yield hit, negotiated


def _object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
