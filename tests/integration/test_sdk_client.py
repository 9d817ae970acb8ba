"""An unmodified `mcp` SDK client, with its own OAuth, gets in with a pre-registered client id and a browser opener."""

from urllib.parse import parse_qs, urlsplit

import anyio.to_thread
import httpx2
import pytest
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from mcp_demo.client.browser import HeadlessBrowser
from mcp_demo.local.browser import require
from mcp_demo.local.state import Run


class Storage:
    """The SDK's token storage, knowing the client beforehand."""

    def __init__(self, client: OAuthClientInformationFull) -> None:
        self.client: OAuthClientInformationFull = client
        self.tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Opener:
    """Opens the authorization URL in a real browser and keeps what it came back with."""

    def __init__(self, run: Run, redirect_uri: str) -> None:
        self._browser = HeadlessBrowser(
            run.user.username, run.user.password, origins=[run.domain], executable=require()
        )
        self._redirect_uri = redirect_uri
        self._returned: dict[str, list[str]] = {}

    async def open(self, url: str) -> None:
        callback = await anyio.to_thread.run_sync(self._browser, url, self._redirect_uri)
        self._returned = parse_qs(urlsplit(callback).query)

    async def answer(self) -> AuthorizationCodeResult:
        one = {name: values[0] for name, values in self._returned.items()}
        return AuthorizationCodeResult(code=one["code"], state=one.get("state"), iss=one.get("iss"))


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_an_unmodified_sdk_client_signs_in_and_calls_a_tool(stack: Run, mode: str) -> None:
    redirect_uri = f"{stack.clients['static']}/callback"
    known = OAuthClientInformationFull(
        client_id=stack.client_id, redirect_uris=[AnyUrl(redirect_uri)], token_endpoint_auth_method="none"
    )
    opener = Opener(stack, redirect_uri)
    auth = OAuthClientProvider(
        server_url=stack.server,
        client_metadata=OAuthClientMetadata(client_name="sdk", redirect_uris=[AnyUrl(redirect_uri)]),
        storage=Storage(known),
        redirect_handler=opener.open,
        callback_handler=opener.answer,
    )
    async with (
        httpx2.AsyncClient(auth=auth, timeout=60) as http,
        Client(streamable_http_client(stack.server, http_client=http), mode=mode) as client,
    ):
        result = await client.call_tool("whoami", {})
    assert result.structured_content and result.structured_content["username"] == stack.user.username
