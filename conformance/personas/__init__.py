"""The servers that a client is judged by: one MCP server and two authorization servers, helpful or hostile.

`world` receives and records · `issuer` and `mcp_server` answer · `scenario` is what can be particular about them, and
`discovery`, `registration`, `authorization` and `access` have the scenarios · `play` is what came of one · `serving`
puts a world on sockets.
"""

from conformance.personas import access, authorization, discovery, registration
from conformance.personas.play import Play
from conformance.personas.scenario import CREDENTIALS, SCENARIOS, Scenario
from conformance.personas.world import Hit, Kind, Party, World

__all__ = [
    "CREDENTIALS",
    "SCENARIOS",
    "Hit",
    "Kind",
    "Party",
    "Play",
    "Scenario",
    "World",
    "access",
    "authorization",
    "discovery",
    "registration",
]
