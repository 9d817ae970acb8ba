"""What the bridge does have to remember across logins: registered clients, and which refresh tokens were used.

On AWS, and wherever more than one instance runs, both are DynamoDB tables. Without a table the pre-registered clients
are all there are, and the refresh tokens used are kept in this process.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Protocol

import boto3
from botocore.config import Config

from mcp_demo.errors import SetupError
from mcp_demo.registry.composition import Registries, settings_registry
from mcp_demo.registry.dynamodb import DynamoDBRegistry
from mcp_demo.registry.families import GRACE, Families, Rotation
from mcp_demo.registry.model import Registry
from mcp_demo.settings import BridgeSettings

_MOST = 100_000
_IMPATIENT = Config(connect_timeout=2, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})


class FamilyStore(Protocol):
    """Families of refresh tokens, see `mcp_demo.registry.families`. All calls block."""

    def rotate(self, family: str, generation: int, *, now: float, expires: float) -> Rotation:
        """Use a refresh token of a family."""
        ...

    def end(self, family: str, *, expires: float) -> None:
        """End a family."""
        ...

    def is_first_use(self, identifier: str, *, now: float, expires: float) -> bool:
        """Whether a one-time value is seen for the first time."""
        ...


class MemoryFamilies:
    """Families in this process, for one instance on one machine.

    A restart forgets them. A family it does not know is therefore taken as it comes: after a restart one use of an old
    token goes unnoticed here, and the user pool's own rotation is what is left. With a table there is no such gap.
    """

    def __init__(self, grace: float = GRACE) -> None:
        self._grace = grace
        self._lock = threading.Lock()
        self._families: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._used: OrderedDict[str, float] = OrderedDict()

    def rotate(self, family: str, generation: int, *, now: float, expires: float) -> Rotation:
        """Use a refresh token of a family."""
        with self._lock:
            current, rotated = self._families.get(family, (generation, now))
            if current == _ENDED:
                return Rotation("ended")
            if generation == current:
                self._put(family, generation + 1, now)
                return Rotation("rotated", generation + 1)
            if generation == current - 1 and now - rotated <= self._grace:
                return Rotation("parallel", current)
            self._put(family, _ENDED, now)
            return Rotation("reused")

    def end(self, family: str, *, expires: float) -> None:
        """End a family."""
        with self._lock:
            self._put(family, _ENDED, 0.0)

    def is_first_use(self, identifier: str, *, now: float, expires: float) -> bool:
        """Whether a one-time value is seen for the first time."""
        with self._lock:
            if self._used.get(identifier, now) > now:
                return False
            self._used[identifier] = expires
            _bound(self._used)
            return True

    def _put(self, family: str, generation: int, now: float) -> None:
        self._families[family] = (generation, now)
        self._families.move_to_end(family)
        _bound(self._families)


_ENDED = -1


def _bound(entries: OrderedDict[str, tuple[int, float]] | OrderedDict[str, float]) -> None:
    while len(entries) > _MOST:
        entries.popitem(last=False)


def open_stores(settings: BridgeSettings) -> tuple[Registry, FamilyStore]:
    """The registry and the families that the settings name.

    Raises:
        SetupError: The pre-registered clients of the settings are malformed.
    """
    try:
        fixed = settings_registry(settings.clients)
    except ValueError as error:
        raise SetupError(str(error), "Correct MCP_DEMO_CLIENTS.") from None
    if not settings.clients_table and not settings.families_table:
        return fixed, MemoryFamilies()
    secret = settings.aws_secret_access_key
    dynamodb = boto3.client(  # pyright: ignore[reportUnknownMemberType]
        "dynamodb",
        config=_IMPATIENT,
        endpoint_url=settings.aws_endpoint,
        region_name=settings.aws_region,
        aws_access_key_id=settings.aws_access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
    )
    parts: Iterable[Registry] = [DynamoDBRegistry(dynamodb, settings.clients_table)] if settings.clients_table else []
    families = Families(dynamodb, settings.families_table) if settings.families_table else MemoryFamilies()
    return Registries([fixed, *parts]), families
