"""Using everything that an MCP server offers, as a program does that knows nothing of the server beforehand."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

from mcp import Client, MCPError
from mcp.client import ClientRequestContext
from mcp.client._transport import Transport
from mcp_types import ElicitRequestParams, ElicitResult, Tool
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from pydantic import ValidationError

_SAMPLES: Mapping[str, Any] = {
    "string": "text",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "array": [],
    "object": {},
}
_ECHO = "json-schema-2020-12-preservation"


async def exercise(
    transport: Transport, scenario: str, revision: str, calls: Sequence[Mapping[str, Any]] | None = None
) -> None:
    """List what there is, read every resource and prompt, call every tool.

    Args:
        transport: The way to the server.
        scenario: Its name.
        revision: The revision to speak; those with a handshake begin with it.
        calls: The tool calls to make, instead of one of each tool.
    """
    mode = "legacy" if revision in HANDSHAKE_PROTOCOL_VERSIONS else "auto"
    async with Client(transport, mode=mode, elicitation_callback=_accept) as client:
        offered = client.server_capabilities
        tools = (await client.list_tools()).tools
        if offered.resources is not None:
            for resource in (await client.list_resources()).resources:
                await client.read_resource(resource.uri)
        if offered.prompts is not None:
            for prompt in (await client.list_prompts()).prompts:
                await client.get_prompt(prompt.name, {item.name: "text" for item in prompt.arguments or []})
        for call in calls or _one_of_each(tools, scenario):
            try:
                await client.call_tool(call["name"], call["arguments"])
            except (MCPError, ValidationError) as error:  # no reason not to call the others
                print(f"{call['name']}: {type(error).__name__}", file=sys.stderr)  # noqa: T201 - for the suite's log


def _one_of_each(tools: Sequence[Tool], scenario: str) -> Sequence[Mapping[str, Any]]:
    calls = [{"name": tool.name, "arguments": sample(tool.input_schema)} for tool in tools]
    if scenario == _ECHO:  # its description asks the client to send the first tool's schema to the second tool
        calls[-1]["arguments"] = {"schema": tools[0].input_schema}
    return calls


def sample(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments that satisfy a schema: its defaults, and something of the right type for what else is required."""
    required = cast("Sequence[str]", schema.get("required") or ())
    properties = cast("Mapping[str, Mapping[str, Any]]", schema.get("properties") or {})
    return {name: _value(member) for name, member in properties.items() if name in required or "default" in member}


def _value(schema: Mapping[str, Any]) -> Any:
    if "default" in schema:
        return schema["default"]
    if schema.get("enum"):
        return schema["enum"][0]
    return _SAMPLES.get(str(schema.get("type")), "text")


async def _accept(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    """Answer a form with its defaults (SEP-1034)."""
    schema = getattr(params, "requested_schema", None)
    return ElicitResult(action="accept", content=sample(cast("Mapping[str, Any]", schema or {})))
