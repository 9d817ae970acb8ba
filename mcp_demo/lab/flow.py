"""The engine of the browser clients, walked one step at a time."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx

from mcp_demo.client import hops, mcp
from mcp_demo.client.browser import HeadlessBrowser
from mcp_demo.client.drive import Walk
from mcp_demo.client.engine import Engine
from mcp_demo.client.events import SignIn
from mcp_demo.client.pending import PendingAuthorization
from mcp_demo.client.registration import Identity
from mcp_demo.client.sign_in import Loopback
from mcp_demo.exchange.model import Exchange
from mcp_demo.exchange.wire import from_json
from mcp_demo.lab.browsers import picture
from mcp_demo.lab.diagram import diagram
from mcp_demo.lab.display import Picture, Shown, show
from mcp_demo.local.browser import require
from mcp_demo.local.state import Run

if TYPE_CHECKING:
    from playwright.sync_api import Page

_VIEW = {"width": 600, "height": 700}


class Flow:
    """One call of one tool, from the first refusal to the data.

    Attributes:
        exchanges: All hops so far, as they were; `show` and `next_step` redact them.
        pending: The sign-in, once it has been begun: what the client has to remember about it.
        callback_url: Where the browser came back to.
    """

    def __init__(self, run: Run, tool: str, arguments: Mapping[str, Any], *, by_hand: bool) -> None:
        self.exchanges: list[Exchange] = []
        self.pending: PendingAuthorization | None = None
        self.callback_url = ""
        self._run = run
        self._by_hand = by_hand
        self._listener = Loopback()
        self._pictures: list[Picture] = []
        self._seen: set[str] = set()
        self._http = httpx.Client(timeout=30)
        self.engine = Engine(run.server, Identity(client_id=run.client_id), self._listener.redirect_uri)
        self.walk = Walk(self.engine.send(mcp.call_tool(run.server, tool, arguments)), self._http, self._sign_in)

    def next(self) -> list[Exchange | Picture]:
        """Take one step; what there is to see of it."""
        if not isinstance(self.walk.upcoming, SignIn):
            exchange = self.walk.next_step()
            return [exchange] if exchange else []
        self.pending = self.walk.upcoming.pending
        left = hops.sent_off(self.pending, time.time())
        self.walk.next_step()
        return [left, *self._pictures, hops.came_back(self.callback_url, time.time())]

    def behind(self) -> list[Exchange]:
        """What the bridge did meanwhile, as it tells those who know the `state` of the sign-in."""
        if self.pending is None:
            return []
        return list(hops.with_sign_in(from_json(self._http.get(hops.trace_url(self.pending)).content)))

    def diagram(self) -> Shown:
        """A sequence diagram of all hops so far."""
        return diagram(self.exchanges)

    @property
    def data(self) -> dict[str, Any]:
        """What the tool answered, once the flow is at its end."""
        return dict(mcp.read(self.walk.result).get("structuredContent") or {})

    def _sign_in(self, url: str, redirect_uri: str) -> str:
        if self._by_hand:
            self.callback_url = self._listener(url, redirect_uri)
            return self.callback_url
        self._listener.close()  # this browser is watched; a port that takes connections and never answers would hold it
        user = self._run.user
        browser = HeadlessBrowser(
            user.username, user.password, origins=[self._run.domain], executable=require(), on_page=self._look
        )
        with ThreadPoolExecutor(1) as thread:  # a notebook has an event loop, beside which this browser cannot run
            self.callback_url = thread.submit(browser, url, redirect_uri).result()
        return self.callback_url

    def _look(self, page: "Page") -> None:
        if (title := page.title()) in self._seen:
            return
        self._seen.add(title)
        self._pictures.append(picture(page))


def begin(run: Run, tool: str = "whoami", arguments: Mapping[str, Any] | None = None, *, by_hand: bool = False) -> Flow:
    """Get ready to call a tool of the MCP server without having a token.

    Args:
        run: The running system.
        tool: The tool to call.
        arguments: Its arguments.
        by_hand: Whether you sign in yourself in your browser; else a headless browser signs the demo user in.
    """
    return Flow(run, tool, arguments or {}, by_hand=by_hand)


def next_step(flow: Flow) -> Shown:
    """Take the next step of a flow and show its exchange as a card."""
    seen = flow.next()
    first = len(flow.exchanges) + 1
    flow.exchanges += [piece for piece in seen if isinstance(piece, Exchange)]
    return show(seen, first)
