"""What a client wants of the servers it meets."""

from dataclasses import dataclass

from mcp_demo.client.assertions import AssertionSource
from mcp_demo.client.choosing import Choose
from mcp_demo.client.revision import NEWEST, Revision


@dataclass(frozen=True, slots=True)
class Policy:
    """What a client wants, beyond what servers ask of it.

    Args:
        scopes: Scopes to ask for instead of those that the server names.
        leeway: How many seconds before its end an access token is replaced.
        offline_access: Whether to ask for `offline_access` where the authorization server lists it (SEP-2207).
        for_itself: Whether the client acts for itself (client_credentials) and nobody signs in.
        assertion: What stands for the person or the workload, so that nobody signs in (see `client.assertions`).
        revision: The newest revision of MCP to go by (see `client.revision`).
        issuers: Authorization servers to prefer, best first, where the MCP server names several.
        choose: Asks the person for one of several, where neither preference nor credentials decide.
    """

    scopes: tuple[str, ...] | None = None
    leeway: float = 30.0
    offline_access: bool = True
    for_itself: bool = False
    assertion: AssertionSource | None = None
    revision: Revision = NEWEST
    issuers: tuple[str, ...] = ()
    choose: Choose | None = None

    @property
    def attended(self) -> bool:
        """Whether somebody signs in."""
        return not self.for_itself and self.assertion is None
