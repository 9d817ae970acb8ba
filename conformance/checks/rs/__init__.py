"""The checks of the resource-server role: an MCP server that asks for tokens."""

from conformance.check import Checks
from conformance.views.resource_server import ResourceServer

TOPICS = (
    "bearer",
    "challenge",
    "metadata",
    "document",
    "signatures",
    "claims",
    "scopes",
    "sessions",
    "transport",
    "cors",
)
"""The modules, in the order in which their checks run: what others build on comes first."""

checks = Checks(ResourceServer)
