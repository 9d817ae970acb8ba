"""The short way in: a token, the tools, a call.

from mcp_demo.client.api import call_tool
print(asyncio.run(call_tool("http://localhost:3001/mcp", "whoami", {}, client_id="...")))
"""

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any, cast

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, Tool
from pydantic import ValidationError

from mcp_demo.client import mcp
from mcp_demo.client.auth import SdkOAuth
from mcp_demo.client.discovery import out_of_service
from mcp_demo.client.drive import Record, SignInWay, drive, ignore
from mcp_demo.client.engine import Engine, Policy
from mcp_demo.client.errors import CallFailed, ClientError
from mcp_demo.client.grant import Grant
from mcp_demo.client.registration import Identity
from mcp_demo.client.revision import knows
from mcp_demo.client.sign_in import Loopback
from mcp_demo.client.storage import Store, Vault
from mcp_demo.client.transport import READ_SECONDS, open_async, open_sdk
from mcp_demo.exchange.model import Exchange
from mcp_demo.oauth.errors import ErrorResponse, ProtocolViolation


async def get_token(
    mcp_url: str,
    *,
    client_id: str | None = None,
    client_secret: str | None = None,
    scopes: Sequence[str] | None = None,
    sign_in: SignInWay | None = None,
    redirect_uri: str | None = None,
    store: Store | None = None,
    identity: Identity | None = None,
    record: Record = ignore,
    policy: Policy | None = None,
) -> Grant:
    """An access token for an MCP server: from the store, by refresh, or by signing in.

    Args:
        mcp_url: The MCP endpoint.
        client_id: A client id registered beforehand; without it the client registers itself.
        client_secret: Its secret.
        scopes: Scopes to ask for instead of those that the server names.
        sign_in: How somebody signs in; default: the system's browser and a listener on a free port.
        redirect_uri: Where `sign_in` expects the browser; default: the listener's address.
        store: Where grants are kept.
        identity: All that can be said about the client, instead of `client_id` and `client_secret`.
        record: Is told every exchange.
        policy: What else the client wants: another revision of MCP, a token of its own.
    """
    who = identity or Identity(client_id=client_id, client_secret=client_secret)
    wanted = replace(policy or Policy(), **({"scopes": tuple(scopes)} if scopes else {}))
    with nullcontext() if sign_in else Loopback() as listener:
        way, redirect = _way(sign_in, redirect_uri, listener)
        engine = Engine(mcp_url, who, redirect, Vault(store), wanted)
        held = engine.vault.grant(mcp_url)
        if held and scopes and not set(scopes) <= set(held.scopes):
            engine.vault.forget_grant(mcp_url)
        async with open_async(mcp_url) as http:
            await drive(engine.send(mcp.list_tools(mcp_url)), http, way, record)
    grant = engine.vault.grant(mcp_url)
    if grant is None:
        raise ClientError("The MCP server answers without a token, so there is none to get.")
    return grant


async def call_tool(
    mcp_url: str,
    tool: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    client_id: str | None = None,
    client_secret: str | None = None,
    sign_in: SignInWay | None = None,
    redirect_uri: str | None = None,
    store: Store | None = None,
    identity: Identity | None = None,
    record: Record = ignore,
    policy: Policy | None = None,
) -> CallToolResult:
    """Call a tool with the official SDK, authorizing as needed, step-up included; arguments as in `get_token`."""
    who = identity or Identity(client_id=client_id, client_secret=client_secret)
    with _answers_that_are_none():
        async with connect(mcp_url, who, sign_in, redirect_uri, store, record, policy) as client:
            return await client.call_tool(tool, dict(arguments or {}))


async def list_tools(
    mcp_url: str,
    *,
    client_id: str | None = None,
    client_secret: str | None = None,
    sign_in: SignInWay | None = None,
    redirect_uri: str | None = None,
    store: Store | None = None,
    identity: Identity | None = None,
    record: Record = ignore,
    policy: Policy | None = None,
) -> list[Tool]:
    """The tools of a server, with the official SDK; arguments as in `get_token`."""
    who = identity or Identity(client_id=client_id, client_secret=client_secret)
    with _answers_that_are_none():
        async with connect(mcp_url, who, sign_in, redirect_uri, store, record, policy) as client:
            return (await client.list_tools()).tools


@asynccontextmanager
async def connect(
    mcp_url: str,
    identity: Identity,
    sign_in: SignInWay | None = None,
    redirect_uri: str | None = None,
    store: Store | None = None,
    record: Record = ignore,
    policy: Policy | None = None,
) -> AsyncGenerator[Client]:
    """An `mcp.Client` whose transport authorizes by itself.

    Raises:
        ClientError, ErrorResponse, ProtocolViolation: What went wrong, in place of the SDK's "connection closed".
        MCPError: The MCP server answers with an error, or not at all.
    """
    with nullcontext() if sign_in else Loopback() as listener:
        way, redirect = _way(sign_in, redirect_uri, listener)
        engine = Engine(mcp_url, identity, redirect, Vault(store), policy)
        mode = "auto" if knows(engine.revision, "no handshake") else "legacy"
        last: list[Exchange] = []

        def noted(exchange: Exchange) -> None:
            last[:] = [exchange]
            record(exchange)

        auth = SdkOAuth(engine, way, noted)
        try:
            async with (
                open_sdk(mcp_url, auth) as http,
                Client(
                    streamable_http_client(mcp_url, http_client=http), mode=mode, read_timeout_seconds=READ_SECONDS
                ) as client,
            ):
                yield client
        except Exception as error:
            cause = auth.failure or _leaf(error)
            answer = last[0].response if last else None
            if isinstance(cause, MCPError) and answer and (status := out_of_service(answer)):
                raise CallFailed(f"The MCP server answers {status}: it is out of service or overloaded.") from error
            if isinstance(cause, ClientError | ErrorResponse | ProtocolViolation | MCPError | httpx2.TransportError):
                raise cause from error
            raise


@contextmanager
def _answers_that_are_none() -> Generator[None]:
    """Where the SDK cannot read an answer, the server is named, and not ourselves."""
    try:
        yield
    except Exception as error:
        if isinstance(_leaf(error), ValidationError):
            raise CallFailed("What the MCP server answers is not what MCP asks for.") from error
        raise


def _leaf(error: BaseException) -> BaseException:
    """What went wrong, out of the groups that task groups wrap it in."""
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        error = group.exceptions[0]
    return error


def _way(sign_in: SignInWay | None, redirect_uri: str | None, listener: Loopback | None) -> tuple[SignInWay, str]:
    if listener is not None:
        return listener, listener.redirect_uri
    if sign_in is None:
        raise ValueError("There is neither a way to sign in nor a listener.")
    return sign_in, redirect_uri or getattr(sign_in, "redirect_uri", "http://localhost:3000/callback")
