"""HTTP with an end to it: uvicorn's protocol, and limits on what one connection may cost.

On its own, uvicorn with httptools waits for a request for ever and keeps a head of any size. Somebody who opens many
connections and sends a byte now and then (slowloris) would hold them all; on AWS it is API Gateway that ends such
requests, here nobody does.

Spec: RFC 9110 §15.5.9 (408), RFC 6585 §5 (431), RFC 9112 §9.5 (a server may close an idle connection at any time).
"""

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD: Final = 64 * 1024
"""Octets of an unfinished head that are kept, besides the last piece read, which has at most 256 KiB."""

SECONDS = 20.0
"""Until a request has arrived whole, from the connection or its first octet on."""

_LATE, _LARGE = "408 Request Timeout", "431 Request Header Fields Too Large"


class BoundedHttp(HttpToolsProtocol):
    """One connection. Refuses a head that is too large and a request that takes too long to arrive."""

    _limit: asyncio.TimerHandle | None = None
    _head: int | None = 0  # octets of a head that is not complete yet

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take octets; the parser keeps a head until it is complete, so they are counted here."""
        super().data_received(data)
        if self._head is not None:
            self._head += len(data)
            if self._head > MAX_HEAD:
                self._end(_LARGE)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._head = 0
        self._wait()

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._head = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is complete; another may follow."""
        self._arrived()
        super().on_message_complete()

    def _wait(self) -> None:
        self._arrived()
        self._limit = self.loop.call_later(SECONDS, self._end, _LATE)

    def _arrived(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _end(self, status: str) -> None:
        """Say why, unless an answer has begun, and hang up."""
        self._arrived()
        if self.transport.is_closing():
            return
        answered = self._head is None and self.cycle is not None and self.cycle.response_started  # pyright: ignore[reportUnnecessaryComparison]
        if not answered:
            self.transport.write(f"HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode())
        self.transport.close()
