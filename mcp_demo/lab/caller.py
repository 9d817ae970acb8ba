"""A client that stays signed in from call to call, and can show the hops of each."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx

from mcp_demo.client import grant, hops, mcp
from mcp_demo.client.browser import HeadlessBrowser
from mcp_demo.client.drive import Walk
from mcp_demo.client.engine import Engine
from mcp_demo.client.events import Flow, SignIn
from mcp_demo.client.grant import Grant
from mcp_demo.client.registration import Identity, Registration
from mcp_demo.client.sign_in import Loopback
from mcp_demo.exchange.model import Exchange
from mcp_demo.lab.display import Picture
from mcp_demo.local.browser import require
from mcp_demo.local.state import Run
from mcp_demo.oauth.errors import ErrorResponse

if TYPE_CHECKING:
    from playwright.sync_api import Page

_VIEW = {"width": 640, "height": 760}


class Caller:
    """The engine of the browser clients with one MCP server, over many calls.

    Args:
        run: The running system.
        by_hand: Whether you sign in yourself in your browser; else a headless browser signs the demo user in.

    Attributes:
        engine: What decides; its `vault` keeps what was granted.
        ahead: How many seconds the client's clock is ahead of the world's: a way to see what it does later.
    """

    def __init__(self, run: Run, *, by_hand: bool = False) -> None:
        self.ahead = 0
        self._run, self._by_hand = run, by_hand
        self._listener = Loopback()
        self._http = httpx.Client(timeout=30)
        self._seen: list[Exchange | Picture] = []
        self.engine = Engine(
            run.server,
            Identity(client_id=run.client_id),
            self._listener.redirect_uri,
            clock=lambda: time.time() + self.ahead,
        )

    @property
    def grant(self) -> Grant:
        """What the client holds: an access token, a refresh token, their scopes.

        Raises:
            LookupError: Nothing; call a tool first.
        """
        held = self.engine.vault.grant(self._run.server)
        if held is None:
            raise LookupError("The client holds no token. Call a tool first.")
        return held

    def tools(self) -> list[Exchange | Picture]:
        """List the tools; all hops that it took."""
        return self._walk(self.engine.send(mcp.list_tools(self._run.server)))

    def call(self, tool: str, **arguments: Any) -> list[Exchange | Picture]:
        """Call a tool; all hops that it took, from the first refusal to the data."""
        return self._walk(self.engine.send(mcp.call_tool(self._run.server, tool, arguments)))

    def refresh(self, held: Grant) -> tuple[Exchange, Grant | None]:
        """Use the refresh token of a grant; the hop, and the grant that came of it, if one did."""
        after: list[Grant] = []

        def flow() -> Flow[None]:
            with suppress(ErrorResponse):
                after.append((yield from grant.refresh(held, self._known(held), time.time())))

        (hop,) = self._walk(flow())
        assert isinstance(hop, Exchange)  # noqa: S101 - for the type checker
        return hop, after[0] if after else None

    @property
    def data(self) -> dict[str, Any]:
        """The result of the last call."""
        answered = [hop.response for hop in self._seen if isinstance(hop, Exchange) and hop.response is not None]
        return mcp.read(answered[-1])

    def give_back(self, held: Grant, token: str) -> Exchange:
        """Ask the authorization server to revoke a token of a grant, whichever it is."""
        ours = replace(held, refresh_token=token)
        (hop,) = self._walk(grant.revoke(ours, self._known(held), time.time()))
        assert isinstance(hop, Exchange)  # noqa: S101 - for the type checker
        return replace(hop, name="Revoke a token", why="Whoever holds it should not be able to use it any more.")

    def leave(self) -> list[Exchange | Picture]:
        """Log out."""
        return self._walk(self.engine.leave())

    def _known(self, held: Grant) -> Registration:
        known = self.engine.vault.registration(held.issuer)
        if known is None:
            raise LookupError("The client is not registered.")
        return known

    def _walk(self, flow: Flow[Any]) -> list[Exchange | Picture]:
        self._seen = []
        walk = Walk(flow, self._http, self._sign_in, self._seen.append)
        while (upcoming := walk.upcoming) is not None:
            if isinstance(upcoming, SignIn):
                self._seen.append(hops.sent_off(upcoming.pending, time.time()))
            walk.next_step()
        return self._seen

    def _sign_in(self, url: str, redirect_uri: str) -> str:
        came_back = self._browse(url, redirect_uri)
        self._seen.append(hops.came_back(came_back, time.time()))
        return came_back

    def _browse(self, url: str, redirect_uri: str) -> str:
        if self._by_hand:
            return self._listener(url, redirect_uri)
        self._listener.close()  # this browser is watched; a port that takes connections and never answers would hold it
        user = self._run.user
        browser = HeadlessBrowser(
            user.username, user.password, origins=[self._run.domain], executable=require(), on_page=self._camera()
        )
        with ThreadPoolExecutor(1) as thread:  # a notebook has an event loop, beside which this browser cannot run
            return thread.submit(browser, url, redirect_uri).result()

    def _camera(self) -> "Callable[[Page], None]":
        titles: set[str] = set()

        def look(page: "Page") -> None:
            if (title := page.title()) in titles:
                return
            titles.add(title)
            page.set_viewport_size(_VIEW)  # pyright: ignore[reportArgumentType]
            words, address = f"the page “{title}”", page.url.partition("?")[0]
            self._seen.append(Picture(page.screenshot(type="jpeg", quality=60), address, words))

        return look
