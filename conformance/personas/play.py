"""What came of running a client in one scenario."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from conformance.personas.scenario import Scenario
from conformance.personas.world import Hit, Kind, Party, World

Ended = Literal["exited", "stopped", "too slow", "not started"]


@dataclass(frozen=True, slots=True)
class Play:
    """One run of a client, over.

    Args:
        scenario: What was particular about it.
        world: Where it was, with all that it sent.
        ended: How it ended: by itself, stopped by us when it had fallen silent, or at the end of its time.
        status: Its exit status.
        output: What it wrote.
        opened: The URLs that it opened in a browser.
        exposed: Files with tokens in them that others can read.
        ran_canary: Whether a text that was only to be read was run as a command.
    """

    scenario: Scenario
    world: World
    ended: Ended
    status: int | None = 0
    output: str = ""
    opened: Sequence[str] = ()
    exposed: Sequence[str] = ()
    ran_canary: bool = False

    def hits(self, *kinds: Kind, party: Party | None = None) -> list[Hit]:
        """What it sent: of these kinds, to this party; all, where nothing is said."""
        return [
            hit for hit in self.world.hits if (not kinds or hit.kind in kinds) and (party is None or hit.party == party)
        ]

    @property
    def authorizations(self) -> list[Hit]:
        """Its authorization requests."""
        return self.hits("authorize")

    @property
    def code_requests(self) -> list[Hit]:
        """Its token requests with a code."""
        return [hit for hit in self.hits("token") if hit.fields.get("grant_type") == "authorization_code"]

    @property
    def refreshes(self) -> list[Hit]:
        """Its token requests with a refresh token."""
        return [hit for hit in self.hits("token") if hit.fields.get("grant_type") == "refresh_token"]

    @property
    def calls(self) -> list[Hit]:
        """Its requests to the MCP server."""
        return self.hits("mcp", party="server")

    @property
    def successes(self) -> list[Hit]:
        """Its requests to the MCP server that were carried out."""
        return [hit for hit in self.calls if hit.token is not None and hit.status in (200, 202)]

    @property
    def fate(self) -> str:
        """How it ended, in words."""
        last = self.output.strip().splitlines()[-1:] or ["it wrote nothing"]
        how = {
            "exited": f"it exited with status {self.status}",
            "stopped": "it fell silent and was stopped",
            "too slow": "it was stopped when its time was up",
            "not started": "it could not be started",
        }[self.ended]
        return f"{how}; last words: {last[0][:160]}" if self.output.strip() else f"{how}, {last[0]}"
