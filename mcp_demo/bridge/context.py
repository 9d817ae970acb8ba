"""What every endpoint of the bridge works with."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import anyio.to_thread
from starlette.requests import Request

from mcp_demo.bridge.browser import Browsers
from mcp_demo.bridge.envelope import Envelopes
from mcp_demo.bridge.trace import Trace
from mcp_demo.bridge.upstream import Upstream
from mcp_demo.oauth.errors import TemporarilyUnavailable
from mcp_demo.registry.model import Client, Registry
from mcp_demo.settings import BridgeSettings
from mcp_demo.web.pages import Pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """The parts of a running bridge. Nothing in it belongs to one login."""

    settings: BridgeSettings
    envelopes: Envelopes
    registry: Registry
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
        """A client that may be used now.

        Raises:
            TemporarilyUnavailable: The registry does not answer.
        """
        try:
            client = await anyio.to_thread.run_sync(self.registry.get, client_id)
        except OSError as error:
            raise TemporarilyUnavailable("The client registry does not answer.") from error
        return client if client is not None and client.is_usable(self.clock()) else None


def bridge_of(request: Request) -> Bridge:
    """The bridge that a request came to."""
    return cast("Bridge", request.app.state.bridge)
