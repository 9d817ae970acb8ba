"""The client library and the unmodified `mcp` SDK against the real system, a real browser signing in."""

from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx2
import pytest
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from mcp_demo.client.api import call_tool, get_token, list_tools
from mcp_demo.client.browser import HeadlessBrowser
from mcp_demo.client.errors import SignInFailed
from mcp_demo.client.storage import FileStore
from mcp_demo.exchange.model import Exchange
from mcp_demo.local.browser import require
from mcp_demo.local.state import Run

REDIRECT = "http://localhost:7777/callback"


def browser(run: Run, password: str | None = None, *, approve: bool = True) -> HeadlessBrowser:
    return HeadlessBrowser(
        run.user.username,
        password or run.user.password,
        origins=[run.domain],
        executable=require(),
        approve=approve,
    )


async def test_a_script_gets_in_steps_up_and_stays_in(stack: Run, tmp_path: Path) -> None:
    seen: list[Exchange] = []
    known: dict[str, Any] = {
        "client_id": stack.client_id,
        "sign_in": browser(stack),
        "redirect_uri": REDIRECT,
        "store": FileStore(tmp_path / "grants.json"),
        "record": seen.append,
    }
    grant = await get_token(stack.server, **known)
    assert grant.scopes == (f"{stack.server}/read",)
    assert {tool.name for tool in await list_tools(stack.server, **known)} >= {"whoami", "add_context"}
    added = await call_tool(stack.server, "add_context", {"name": "n", "text": "t"}, **known)
    assert not added.is_error
    assert len([hop for hop in seen if hop.name == "Trade the code for tokens"]) == 2
    again = await get_token(stack.server, **known)
    assert set(again.scopes) == {f"{stack.server}/read", f"{stack.server}/write"}
    assert len([hop for hop in seen if hop.name == "Trade the code for tokens"]) == 2


async def test_a_wrong_password_is_reported_as_such(stack: Run) -> None:
    with pytest.raises(SignInFailed, match="refused these credentials"):
        await call_tool(
            stack.server,
            "whoami",
            client_id=stack.client_id,
            sign_in=browser(stack, "Wrong-password-1"),
            redirect_uri=REDIRECT,
        )


class _Storage:
    """What the SDK wants to remember; it knows its client id beforehand."""

    def __init__(self, client: OAuthClientInformationFull) -> None:
        self._client = client
        self._tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self._tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self._tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self._client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self._client = client_info


async def test_the_unmodified_sdk_client_gets_in_with_a_client_id_and_a_browser(stack: Run) -> None:
    returned: list[str] = []

    async def send_browser(url: str) -> None:
        returned.append(await anyio.to_thread.run_sync(browser(stack), url, REDIRECT))

    async def wait_for_browser() -> AuthorizationCodeResult:
        answer = httpx2.URL(returned[-1]).params
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer["iss"])

    metadata: dict[str, Any] = {
        "redirect_uris": [REDIRECT],
        "token_endpoint_auth_method": "none",
        "client_name": "unmodified",
    }
    known = OAuthClientInformationFull.model_validate({**metadata, "client_id": stack.client_id})
    auth = OAuthClientProvider(
        stack.server,
        OAuthClientMetadata.model_validate(metadata),
        _Storage(known),
        send_browser,
        wait_for_browser,
    )
    async with (
        httpx2.AsyncClient(auth=auth, timeout=60) as http,
        Client(streamable_http_client(stack.server, http_client=http)) as client,
    ):
        result = await client.call_tool("whoami", {})
    assert not result.is_error
    assert len(returned) == 1
