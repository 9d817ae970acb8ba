"""Access to the server of a local run, as its pre-registered client: what `mcp-demo token` and `call` do."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypedDict, TypeVar

import httpx
import httpx2
from mcp import MCPError
from mcp_types import CallToolResult

from mcp_demo.client.api import call_tool, get_token
from mcp_demo.client.browser import HeadlessBrowser
from mcp_demo.client.drive import SignInWay
from mcp_demo.client.errors import ClientError, explain
from mcp_demo.client.storage import FileStore
from mcp_demo.cognito import SCOPE_NAMES, scope
from mcp_demo.errors import SetupError
from mcp_demo.exchange.redact import redact_text
from mcp_demo.local.browser import require
from mcp_demo.local.state import Run
from mcp_demo.oauth.errors import ErrorResponse, ProtocolViolation, printable

R = TypeVar("R")


class AccessFailed(Exception):
    """The server cannot be used, and that is what was to be found out: exit code 1.

    Attributes:
        problem: The layer that failed, and how.
        cure: What to do about it.
    """

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.cure = cure


class _Options(TypedDict):
    client_id: str
    store: FileStore
    sign_in: SignInWay | None
    redirect_uri: str | None


def fetch_token(run: Run, scopes: Sequence[str], *, headless: bool) -> str:
    """An access token; `read` and `write` may stand for the server's own scopes.

    Raises:
        AccessFailed: The protocol said no.
        SetupError: There is no browser to sign in with, or nobody answers.
    """
    wanted = [scope(run.server, name) if name in SCOPE_NAMES else name for name in scopes]
    grant = finish(lambda: get_token(run.server, scopes=wanted or None, **_options(run, headless)))
    return grant.access_token


def call(run: Run, tool: str, arguments: Mapping[str, Any], *, headless: bool) -> str:
    """Call a tool, stepping up if it needs more; its text.

    Raises:
        AccessFailed: The protocol or the tool said no.
        SetupError: There is no browser to sign in with, or nobody answers.
    """
    result = finish(lambda: call_tool(run.server, tool, arguments, **_options(run, headless)))
    if result.is_error:
        raise AccessFailed(f"{tool}: {text_of(result)}", "")
    return text_of(result)


def _options(run: Run, headless: bool) -> _Options:
    return {
        "client_id": run.client_id,
        "store": FileStore(run.state / "tokens.json"),
        "sign_in": headless_sign_in(run) if headless else None,
        "redirect_uri": f"{run.endpoints().static}/callback" if headless else None,
    }


def headless_sign_in(run: Run) -> HeadlessBrowser:
    """The demo user, signing in with a real browser and nobody watching.

    Raises:
        SetupError: There is no browser.
    """
    return HeadlessBrowser(run.user.username, run.user.password, origins=[run.domain], executable=require())


def text_of(result: CallToolResult) -> str:
    """The text that a tool answered."""
    return "\n".join(block.text for block in result.content if block.type == "text")


def finish(begin: Callable[[], Coroutine[Any, Any, R]]) -> R:
    """Carry out some work of the client, and put what goes wrong into words.

    Raises:
        AccessFailed: The protocol said no.
        SetupError: Nobody answers.
    """
    try:
        return asyncio.run(begin())
    except (ClientError, ErrorResponse, ProtocolViolation) as error:
        layer, problem, cure = explain(error)
        raise AccessFailed(f"{layer}: {problem}", cure) from None
    except MCPError as error:
        raise AccessFailed(f"MCP server: {printable(' '.join(redact_text(str(error)).split()))}", "") from None
    except (httpx.TransportError, httpx2.TransportError) as error:
        _, problem, cure = explain(error)
        raise SetupError(problem, cure) from None
