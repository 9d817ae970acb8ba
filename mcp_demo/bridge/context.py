"""What every endpoint of the bridge works with."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, cast

import anyio.to_thread
from botocore.exceptions import BotoCoreError, ClientError
from starlette.requests import Request

from mcp_demo.bridge.browser import Browsers
from mcp_demo.bridge.cimd import Documents
from mcp_demo.bridge.envelope import Envelopes
from mcp_demo.bridge.stores import FamilyStore
from mcp_demo.bridge.trace import Trace
from mcp_demo.bridge.upstream import Upstream
from mcp_demo.oauth import metadata_document
from mcp_demo.oauth.errors import TemporarilyUnavailable
from mcp_demo.registry.model import Client, Registry, Status
from mcp_demo.settings import BridgeSettings
from mcp_demo.web.pages import Pages

_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """The parts of a running bridge. Nothing in it belongs to one login."""

    settings: BridgeSettings
    envelopes: Envelopes
    registry: Registry
    families: FamilyStore
    documents: Documents
    upstream: Upstream
    browsers: Browsers
    pages: Pages
    trace: Trace | None
    clock: Callable[[], float] = time.time

    @property
    def issuer(self) -> str:
        """The issuer identifier, without a trailing slash."""
        return self.settings.bridge_url.rstrip("/")

    async def client(self, client_id: str) -> Client | None:
        """A client that may be used now; one with a document as administrators have pinned it, or as it is out there.

        Raises:
            InvalidClient: Its metadata document cannot be used; says why.
            TemporarilyUnavailable: The registry does not answer.
        """
        described = metadata_document.is_url(client_id)
        if described and not self.settings.metadata_documents:
            return None
        client = await self.blocking(lambda: self.registry.get(client_id))
        if described and (client is None or client.source != "cimd"):  # administrators have pinned no document of it
            return await self.documents.client(client_id)
        return client if client is not None and client.is_usable(self.clock()) else None

    async def standing(self, client_id: str) -> Status | None:
        """Where a client of the registry stands with the administrators; None for one that is unknown or expired.

        Raises:
            TemporarilyUnavailable: The registry does not answer.
        """
        client = await self.blocking(lambda: self.registry.get(client_id))
        return None if client is None or client.is_expired(self.clock()) else client.status

    async def blocking(self, call: Callable[[], T]) -> T:
        """Ask a store, in a thread.

        Raises:
            TemporarilyUnavailable: It does not answer.
        """
        try:
            return await anyio.to_thread.run_sync(call)
        except (OSError, BotoCoreError, ClientError) as error:
            _log.error("a store does not answer: %s", error)  # names operation, table and rule, never what is in a row
            raise TemporarilyUnavailable("A part of this service does not answer at the moment.") from error


def bridge_of(request: Request) -> Bridge:
    """The bridge that a request came to."""
    return cast("Bridge", request.app.state.bridge)
