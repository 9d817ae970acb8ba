"""Access to any MCP server from the command line: what `mcp-demo connect` and `mcp-demo call --url` do.

Passwords and secrets come from the environment, for other users of a machine can see what stands on a command line.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

from mcp_types import Tool

from mcp_demo.access import AccessFailed, finish, text_of
from mcp_demo.client.api import call_tool, list_tools
from mcp_demo.client.browser import HeadlessBrowser
from mcp_demo.client.choosing import ask_in_terminal
from mcp_demo.client.drive import Record, SignInWay, ignore
from mcp_demo.client.errors import SignInFailed
from mcp_demo.client.policy import Policy
from mcp_demo.client.registration import Identity
from mcp_demo.client.revision import NEWEST, Revision
from mcp_demo.client.sign_in import Loopback, print_url, system_browser
from mcp_demo.client.storage import FileStore, KeyringStore, MemoryStore, Store
from mcp_demo.errors import SetupError
from mcp_demo.exchange.card import to_text
from mcp_demo.exchange.model import Exchange
from mcp_demo.exchange.redact import redact, redact_url

Way = Literal["browser", "url", "headless", "machine", "stored"]
Kept = Literal["file", "keyring", "memory"]
_NOWHERE = "http://localhost/callback"  # where nothing listens, for ways to sign in that need no listener


@dataclass(frozen=True, slots=True)
class Wishes:
    """How somebody wants to get in.

    Args:
        url: The MCP endpoint.
        folder: Where the file of grants goes.
        client_id: A client id registered beforehand; its secret, if any, is in `MCP_DEMO_CLIENT_SECRET`.
        issuer: The authorization server to go to, where the MCP server names several; else the person is asked.
        way: How to sign in; `headless` takes `MCP_DEMO_USERNAME` and `MCP_DEMO_PASSWORD`.
        kept: Where grants are kept.
        revision: The newest revision of MCP to go by.
        origins: Where else than at the authorization endpoint's origin `headless` may type the password.
    """

    url: str
    folder: Path
    client_id: str | None = None
    issuer: str | None = None
    way: Way = "browser"
    kept: Kept = "file"
    revision: Revision = NEWEST
    origins: tuple[str, ...] = ()


class _Options(TypedDict):
    identity: Identity
    sign_in: SignInWay
    redirect_uri: str
    store: Store
    policy: Policy


def tools(wishes: Wishes, record: Record) -> list[Tool]:
    """The tools of a server.

    Raises:
        AccessFailed: The protocol said no.
        SetupError: Something that the way in needs is not there, or nobody answers.
    """
    with ExitStack() as held:
        return finish(lambda: list_tools(wishes.url, record=record, **_options(wishes, held)))


def call(wishes: Wishes, tool: str, arguments: Mapping[str, Any]) -> str:
    """Call a tool of a server; its text. Raises as `tools` does."""
    with ExitStack() as held:
        result = finish(lambda: call_tool(wishes.url, tool, arguments, record=ignore, **_options(wishes, held)))
    if result.is_error:
        raise AccessFailed(f"{tool}: {text_of(result)}", "")
    return text_of(result)


def narrate(tell: Callable[[str], None], *, full: bool) -> Record:
    """Tell every exchange as it happens, redacted: in three lines, or with all that went over the wire."""
    count = 0

    def record(exchange: Exchange) -> None:
        nonlocal count
        count += 1
        if full:
            tell(to_text(redact(exchange), count))
            return
        request, response = exchange.request, exchange.response
        status = f" -> {response.status}" if response else ""
        tell(f"{count}. {exchange.name}  [{exchange.spec}]")
        tell(f"   {request.method} {redact_url(request.url)}{status}")
        tell(f"   {exchange.why}")

    return record


def _options(wishes: Wishes, held: ExitStack) -> _Options:
    secret = os.environ.get("MCP_DEMO_CLIENT_SECRET") or None
    way, redirect_uri = _sign_in(wishes, held)
    return {
        "identity": Identity(client_id=wishes.client_id, client_secret=secret, issuer=wishes.issuer),
        "sign_in": way,
        "redirect_uri": redirect_uri,
        "store": _store(wishes),
        "policy": Policy(
            for_itself=wishes.way == "machine",
            revision=wishes.revision,
            choose=ask_in_terminal if wishes.way in ("browser", "url") and sys.stdin.isatty() else None,
        ),
    }


def _sign_in(wishes: Wishes, held: ExitStack) -> tuple[SignInWay, str]:
    way = wishes.way
    if way == "headless":
        return _headless(wishes.origins), _NOWHERE
    if way in ("machine", "stored"):
        return _nobody, _NOWHERE
    listener = held.enter_context(Loopback(print_url if way == "url" else system_browser))
    return listener, listener.redirect_uri


def _headless(origins: Sequence[str]) -> HeadlessBrowser:
    from mcp_demo.local.browser import require

    username, password = os.environ.get("MCP_DEMO_USERNAME"), os.environ.get("MCP_DEMO_PASSWORD")
    if not username or not password:
        raise SetupError("Nobody is there to sign in.", "Set MCP_DEMO_USERNAME and MCP_DEMO_PASSWORD.")
    return HeadlessBrowser(username, password, origins=origins, executable=require())


def _nobody(url: str, redirect_uri: str) -> str:
    raise SignInFailed("No stored grant leads in, and nobody was to be asked.")


def _store(wishes: Wishes) -> Store:
    if wishes.kept == "memory":
        return MemoryStore()
    return KeyringStore() if wishes.kept == "keyring" else FileStore(wishes.folder / "grants.json")
