"""The OAuth client of the `mcp` SDK as a program that can be judged: it lists the tools and calls each of them.

It follows the authorization URL by itself, and takes what `conformance.client_command` tells in the environment.
"""

import asyncio
import json
import os
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

REDIRECT_URI = "http://localhost:3030/callback"
METADATA_URL = "https://client.conformance.example/client.json"


class Memory:
    """The SDK's token storage, for one run."""

    def __init__(self, client: OAuthClientInformationFull | None) -> None:
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


class Browser:
    """Follows the URL, and keeps what comes back."""

    def __init__(self) -> None:
        self._returned: dict[str, list[str]] = {}

    async def open(self, url: str) -> None:
        async with httpx2.AsyncClient() as http:
            answer = await http.get(url, follow_redirects=False)
        self._returned = parse_qs(urlsplit(answer.headers["location"]).query)

    async def answer(self) -> AuthorizationCodeResult:
        one = {name: values[0] for name, values in self._returned.items()}
        return AuthorizationCodeResult(code=one["code"], state=one.get("state"), iss=one.get("iss"))


def _known(context: dict[str, str]) -> OAuthClientInformationFull | None:
    if "client_id" not in context:
        return None
    return OAuthClientInformationFull(
        client_id=context["client_id"],
        client_secret=context.get("client_secret"),
        issuer=context.get("issuer"),
        redirect_uris=[AnyUrl(REDIRECT_URI)],
        token_endpoint_auth_method="client_secret_basic",
    )


async def main(url: str) -> None:
    browser = Browser()
    auth = OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata(client_name="sdk", redirect_uris=[AnyUrl(REDIRECT_URI)]),
        storage=Memory(_known(json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}"))),
        redirect_handler=browser.open,
        callback_handler=browser.answer,
        client_metadata_url=METADATA_URL,
    )
    mode = "auto" if os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", "2026") >= "2026" else "legacy"
    async with (
        httpx2.AsyncClient(auth=auth, timeout=10, follow_redirects=True) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        for tool in (await client.list_tools()).tools:
            await client.call_tool(tool.name, {})


if __name__ == "__main__":
    asyncio.run(main(sys.argv[-1]))
