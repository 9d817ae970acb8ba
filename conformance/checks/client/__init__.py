"""The checks of the client role: a program that uses a protected MCP server."""

from conformance.check import Checks
from conformance.views.client import Client

TOPICS = (
    "discovery",
    "registration",
    "authorize",
    "issuer",
    "resource",
    "token",
    "refresh",
    "scope",
    "transport",
)
"""The modules, in the order in which their checks run: what others build on comes first."""

checks = Checks(Client)
