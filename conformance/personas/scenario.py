"""A scenario: what is particular about the world in which a client is run once."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from conformance.personas.world import World

Prepare = Callable[[World], None]

CREDENTIALS: Mapping[str, str] = {
    "client_id": "conformance-given-client",
    "client_secret": f"given:% {secrets.token_urlsafe(16)}",
}
"""What a client is given beforehand, where a scenario gives something: `MCP_CONFORMANCE_CONTEXT`, as JSON."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run of the client.

    Args:
        name: What it is called; `MCP_CONFORMANCE_SCENARIO`.
        says: What is particular about it.
        prepare: Makes it so.
        context: What the client is told beforehand.
    """

    name: str
    says: str
    prepare: Prepare
    context: Mapping[str, str] = field(default_factory=dict[str, str])

    def told(self, world: World) -> Mapping[str, str]:
        """What the client is told: if it is given credentials, also the issuer that they are from (SEP-2352)."""
        return {**self.context, "issuer": world.issuer.url} if self.context else {}


SCENARIOS: dict[str, Scenario] = {}


def scenario(prepare: Prepare) -> Prepare:
    """Make a function a scenario: its name, with hyphens, and its docstring are those of the scenario."""
    _add(prepare.__name__, prepare.__doc__, prepare)
    return prepare


def scenario_with_credentials(prepare: Prepare) -> Prepare:
    """The same, and the client is given a client id and a secret beforehand."""
    _add(prepare.__name__, prepare.__doc__, prepare, CREDENTIALS)
    return prepare


def variant(name: str, says: str, prepare: Prepare) -> None:
    """One of several scenarios that differ in a value only."""
    _add(name, says, prepare)


def _add(name: str, says: str | None, prepare: Prepare, context: Mapping[str, str] | None = None) -> None:
    name = name.replace("_", "-")
    SCENARIOS[name] = Scenario(name, (says or "").strip().removesuffix("."), prepare, context or {})
