"""HTTP with an end to it: uvicorn's protocol, and limits on what one connection may cost.

On its own, uvicorn with httptools waits for a request for ever, keeps a head of any size, and puts trailers among the
headers. Somebody who opens many connections and sends a byte now and then (slowloris), or never reads what is answered,
would hold them all; on AWS it is API Gateway that ends such requests, here nobody does.

Spec: RFC 9110 §15.5.9 (408) and §6.5.1 (trailers), RFC 6585 §5 (431), RFC 9112 §9.5 (a server may close an idle
connection at any time).
"""

import asyncio
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD: Final = 64 * 1024
"""Octets of an unfinished head, or of trailers, that are kept, besides the last piece read (at most 256 KiB)."""

MAX_FIELDS: Final = 100
"""Header fields of a request: some of those who read them compare each with each."""

MAX_WAITING: Final = 100
"""Requests on one connection that wait for the one before to be answered."""

SECONDS = 20.0
"""Until a request has arrived whole, from the connection or its first octet on; and until somebody reads on."""

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

_LATE, _LARGE = "408 Request Timeout", "431 Request Header Fields Too Large"


class _Trailers(list[tuple[bytes, bytes]]):
    """Where fields after the body go: nobody here has a use for them, and who decides by headers has decided."""

    def append(self, field: tuple[bytes, bytes]) -> None:
        """Forget it."""


class BoundedHttp(HttpToolsProtocol):
    """One connection. Refuses what is too large or too slow in coming, and gives up who does not read."""

    _limit: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _octets = 0  # that came since the request last came on
    _came_on = False
    _headed = False  # whether the head is complete
    _answering: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._arrived()
        self._forgive()
        if self._answering is not None:  # uvicorn tells only the last request, which may wait for this one
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take octets; the parser keeps each field until it is complete, so they are counted here."""
        self._came_on = False
        super().data_received(data)
        self._octets = 0 if self._came_on else self._octets + len(data)
        if self._octets > MAX_HEAD:
            self._end(_LARGE)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._octets, self._headed = 0, False
        self._wait()

    def on_headers_complete(self) -> None:
        """The head is complete.

        Raises:
            ValueError: It is one too many; the parser makes a 400 of that.
        """
        if len(self.headers) > MAX_FIELDS or len(self.pipeline) >= MAX_WAITING:
            raise ValueError
        self._came_on = self._headed = True
        super().on_headers_complete()
        self.headers = _Trailers()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._came_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete; another may follow."""
        self._came_on = True
        self._arrived()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """All is answered, and on its way."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._give_up_later()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing more was asked."""
        super().timeout_keep_alive_handler()
        self._give_up_later()

    def pause_writing(self) -> None:
        """Nobody reads."""
        super().pause_writing()
        self._give_up_later()

    def resume_writing(self) -> None:
        """Somebody reads on."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._forgive()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: "ASGI3Application") -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

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
        answered = self._headed and self.cycle is not None and self.cycle.response_started  # pyright: ignore[reportUnnecessaryComparison]
        if not answered:
            self.transport.write(f"HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode())
        self.transport.close()
        self._give_up_later()

    def _give_up_later(self) -> None:
        """Leave what is still to be read some time, and no more: closing alone would wait for the reader for ever."""
        if self._unread is None:
            self._unread = self.loop.call_later(SECONDS, self.transport.abort)

    def _forgive(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
