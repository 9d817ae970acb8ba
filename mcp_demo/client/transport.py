"""Connections of a client that servers cannot lead astray: names that they bring up have to be on the public network.

`discovery.check_url` reads URLs; what a name resolves to is known only here. A name is resolved once, all of its
addresses are looked at, and the connection goes to one of these, so that a name which resolves to something else a
moment later (DNS rebinding) gains nothing, while TLS still verifies the certificate for the name. The MCP server itself
is the person's own choice, and may be anywhere; a server on this machine may name others on this machine.

Where the environment asks for a proxy, it is the proxy that resolves names, and that has to be careful.

Spec: MCP 2026-07-28 Security Best Practices › Server-Side Request Forgery; RFC 9728 §7.7.
"""

import socket
import ssl
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies

import anyio.to_thread
import httpx
import httpx2

from mcp_demo.oauth.addresses import is_public_text
from mcp_demo.oauth.errors import InsecureUrl
from mcp_demo.oauth.resource import is_loopback_host

Resolve = Callable[[str, int], Sequence[str]]
_SECONDS = 30.0
READ_SECONDS = 300.0  # a tool may take its time, its answer being a stream


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, by the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(cast("str", entry[4][0]) for entry in found))


def open_async(server_url: str) -> httpx.AsyncClient:
    """A client for `drive`, and for whatever else is to be sent to this MCP server and to the servers it names."""
    return httpx.AsyncClient(transport=None if _has_proxy() else AsyncGuarded(server_url), timeout=_SECONDS)


def open_sync(server_url: str) -> httpx.Client:
    """The same without an event loop."""
    return httpx.Client(transport=None if _has_proxy() else Guarded(server_url), timeout=_SECONDS)


def open_sdk(server_url: str, auth: httpx2.Auth | None = None) -> httpx2.AsyncClient:
    """The same for the transport of the `mcp` SDK."""
    timeout = httpx2.Timeout(_SECONDS, read=READ_SECONDS)
    return httpx2.AsyncClient(auth=auth, transport=None if _has_proxy() else SdkGuarded(server_url), timeout=timeout)


class _Rule:
    """Which hosts need a look, and what is found at it."""

    def __init__(self, server_url: str, resolve: Resolve) -> None:
        host = urlsplit(server_url).hostname
        self._exempt, self._local, self._resolve = host, is_loopback_host(host), resolve

    def trusts(self, host: str) -> bool:
        return self._local or host == self._exempt

    def address(self, host: str, port: int) -> str:
        """An address to connect to.

        Raises:
            InsecureUrl: Not all of the addresses of this name are public ones.
            OSError: The name does not resolve.
        """
        found = self._resolve(host, port)
        if not found or not all(map(is_public_text, found)):
            raise InsecureUrl(f"{host} is not on the public network, though the server that names it is.")
        return found[0]


class AsyncGuarded(httpx.AsyncHTTPTransport):
    """The usual transport of `httpx`, but for names that are not the MCP server's own."""

    def __init__(self, server_url: str, *, resolve: Resolve = resolve) -> None:
        super().__init__(verify=_trusted())
        self._rule = _Rule(server_url, resolve)
        # Kept connections are found by address; one of another name at that address must not be taken for ours.
        self._pinned = httpx.AsyncHTTPTransport(verify=_trusted(), limits=httpx.Limits(max_keepalive_connections=0))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, to an address that was looked at."""
        host = request.url.host
        if self._rule.trusts(host):
            return await super().handle_async_request(request)
        try:
            address = await anyio.to_thread.run_sync(self._rule.address, host, _port(request.url))
        except OSError as error:
            raise httpx.ConnectError(str(error), request=request) from error
        return await self._pinned.handle_async_request(_to(httpx.Request, request, address))

    async def aclose(self) -> None:
        """Close what is open."""
        await self._pinned.aclose()
        await super().aclose()


class Guarded(httpx.HTTPTransport):
    """The same without an event loop."""

    def __init__(self, server_url: str, *, resolve: Resolve = resolve) -> None:
        super().__init__(verify=_trusted())
        self._rule = _Rule(server_url, resolve)
        self._pinned = httpx.HTTPTransport(limits=httpx.Limits(max_keepalive_connections=0), verify=_trusted())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, to an address that was looked at."""
        host = request.url.host
        if self._rule.trusts(host):
            return super().handle_request(request)
        try:
            address = self._rule.address(host, _port(request.url))
        except OSError as error:
            raise httpx.ConnectError(str(error), request=request) from error
        return self._pinned.handle_request(_to(httpx.Request, request, address))

    def close(self) -> None:
        """Close what is open."""
        self._pinned.close()
        super().close()


class SdkGuarded(httpx2.AsyncHTTPTransport):
    """The same for `httpx2`, which the `mcp` SDK uses."""

    def __init__(self, server_url: str, *, resolve: Resolve = resolve) -> None:
        super().__init__(verify=_trusted())
        self._rule = _Rule(server_url, resolve)
        self._pinned = httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_keepalive_connections=0), verify=_trusted())

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, to an address that was looked at."""
        host = request.url.host
        if self._rule.trusts(host):
            return await super().handle_async_request(request)
        try:
            address = await anyio.to_thread.run_sync(self._rule.address, host, _port(request.url))
        except OSError as error:
            raise httpx2.ConnectError(str(error), request=request) from error
        return await self._pinned.handle_async_request(_to(httpx2.Request, request, address))

    async def aclose(self) -> None:
        """Close what is open."""
        await self._pinned.aclose()
        await super().aclose()


@cache
def _trusted() -> ssl.SSLContext:
    """The usual certificates; reading them takes longer than most requests, so it is done once."""
    return httpx.create_ssl_context()


def _port(url: httpx.URL | httpx2.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _to(kind: Any, request: Any, address: str) -> Any:
    """The request addressed to an address; Host header and certificate stay those of the name."""
    return kind(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )


def _has_proxy() -> bool:
    return any(name != "no" for name in getproxies())
