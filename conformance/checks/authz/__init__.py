"""The checks of the authorization-server role: whatever issues the tokens that the MCP server accepts."""

from conformance.check import Checks
from conformance.views.authorization_server import AuthorizationServer

TOPICS = (
    "metadata",
    "registration",
    "management",
    "authorize",
    "transport",
    "redirects",
    "responses",
    "codes",
    "tokens",
    "audience",
    "refresh",
    "documents",
    "fetching",
    "cors",
    "proxy",
    "proxy_state",
)
"""The modules, in the order in which their checks run: what others build on comes first."""

checks = Checks(AuthorizationServer)
