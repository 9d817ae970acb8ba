"""The guarded fetcher: a small JSON document from a URL that a stranger chose, and nothing from inside our network.

A name is resolved once, every address it has must be a public one, and the connection goes to an address that was
checked: a name that resolves to something else a moment later (DNS rebinding) gains nothing, while TLS still verifies
the certificate for the name. Redirects are not followed, proxies of the environment not used, compression not accepted,
and one deadline covers everything, so that a server that drips a byte a second is cut off too.

Spec: draft-ietf-oauth-client-id-metadata-document-00 §6.5 and §6.6, MCP 2026-07-28 Security Best Practices › SSRF.
"""

import ipaddress
import json
import logging
import re
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import anyio
import httpcore

from mcp_demo.oauth.addresses import is_public, plain_address
from mcp_demo.oauth.resource import is_loopback_host

_log = logging.getLogger(__name__)
_SECONDS = 5.0
_AT_A_TIME = 20
_JSON = re.compile(r"application/(?:json|[^/]+\+json)")

Resolve = Callable[[str, int], "Sequence[str]"]


class FetchFailed(Exception):
    """A document could not be had. The text is meant for the person and names no address of ours."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A parsed document and the header fields that say how long it may be kept."""

    document: object
    headers: dict[str, str]


class Fetcher:
    """Fetches documents.

    Args:
        allow_loopback: Let the three loopback names lead to this machine, for a stack that runs on one. Other names
            must not, whatever they resolve to.
        resolve: Name and port to addresses; the system's resolver if not given.
        ssl_context: Which certificates are trusted; the usual ones if not given.
        seconds: For everything, from the name to the last byte.
    """

    def __init__(
        self,
        *,
        allow_loopback: bool = False,
        resolve: Resolve | None = None,
        ssl_context: ssl.SSLContext | None = None,
        seconds: float = _SECONDS,
    ) -> None:
        backend = _CheckedConnections(allow_loopback, resolve or _resolve)
        self._pool = httpcore.AsyncConnectionPool(
            network_backend=backend, ssl_context=ssl_context, max_connections=_AT_A_TIME, max_keepalive_connections=0
        )
        self._seconds = seconds

    async def get(self, url: str, *, max_bytes: int) -> Fetched:
        """The JSON document at a URL that passed `validate_client_id_url` or is as strict.

        Raises:
            FetchFailed: Says why in plain words.
        """
        try:
            with anyio.fail_after(self._seconds):
                return await self._get(url, max_bytes)
        except TimeoutError:
            raise FetchFailed(f"it did not arrive within {self._seconds:g} seconds") from None
        # UnicodeError: the resolver's word for a host with an empty or overlong label.
        except (
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.TimeoutException,
            OSError,
            UnicodeError,
        ) as error:
            _log.info("fetching a document: %s", type(error).__name__)
            raise FetchFailed("its server cannot be reached, or has no valid certificate") from None

    async def aclose(self) -> None:
        """Close what is open."""
        await self._pool.aclose()

    async def _get(self, url: str, max_bytes: int) -> Fetched:
        headers = [("Accept", "application/json"), ("Accept-Encoding", "identity"), ("User-Agent", "mcp-demo-bridge")]
        async with self._pool.stream("GET", url, headers=headers) as response:
            fields = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            _check_head(response.status, fields, max_bytes)
            body = bytearray()
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) > max_bytes:
                    raise FetchFailed(f"it is larger than {max_bytes} bytes")
        try:
            return Fetched(json.loads(bytes(body).decode("utf-8")), fields)
        except (ValueError, RecursionError):
            raise FetchFailed("it is not JSON") from None


def _check_head(status: int, fields: dict[str, str], max_bytes: int) -> None:
    if 300 <= status < 400:
        raise FetchFailed("its server redirects elsewhere, which is not followed")
    if status != 200:
        raise FetchFailed(f"its server answers with status {status}")
    media_type = fields.get("content-type", "").partition(";")[0].strip().lower()
    if not _JSON.fullmatch(media_type):
        raise FetchFailed("it is not served as JSON")
    if fields.get("content-encoding", "identity").lower() != "identity":
        raise FetchFailed("it is compressed, though we asked for it plain")
    length = fields.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise FetchFailed(f"it is larger than {max_bytes} bytes")


class _CheckedConnections(httpcore.AsyncNetworkBackend):
    """Connects to names only by way of an address that was checked."""

    def __init__(self, allow_loopback: bool, resolve: Resolve) -> None:
        self._allow_loopback = allow_loopback
        self._resolve = resolve
        self._plain = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await anyio.to_thread.run_sync(self._resolve, host, port, abandon_on_cancel=True)
        loopback = self._allow_loopback and is_loopback_host(host.strip("[]").lower())
        if not addresses or not all(_is_allowed(address, loopback) for address in addresses):
            _log.warning("refused to connect to %.200r: not all of its addresses are public", host)
            raise FetchFailed("its server is not on the public internet")
        for address in addresses[:-1]:
            try:
                return await self._plain.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError:
                continue
        return await self._plain.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def connect_unix_socket(self, *args: Any, **more: Any) -> httpcore.AsyncNetworkStream:
        raise FetchFailed("its server is not on the public internet")

    async def sleep(self, seconds: float) -> None:
        await self._plain.sleep(seconds)


def _resolve(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(cast("str", entry[4][0]) for entry in found))


def _is_allowed(text: str, loopback: bool) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:  # with a zone, so link-local
        return False
    return plain_address(address).is_loopback if loopback else is_public(address)
