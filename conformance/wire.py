"""One HTTP request, exactly as written, and its answer within limits of size and time."""

import time
import zlib
from collections.abc import Iterator

import httpx

from conformance.deadline import within
from conformance.reach import OutOfReach
from mcp_demo.exchange.model import Exchange, Request, Response

MAX_BODY = 1024 * 1024
_STREAM_PATIENCE = 1.0


class Unanswered(Exception):
    """No complete response came.

    Args:
        reason: Why, in plain words.
        exchange: What was asked; filled in by the session.
    """

    def __init__(self, reason: str, exchange: Exchange) -> None:
        super().__init__(reason)
        self.exchange = exchange


class NotSent(Unanswered):
    """The target names an address that it may not send the suite to."""


class GivenUp(Unanswered):
    """Nothing was sent, for the target has shown before that it does not answer."""


def transmit(client: httpx.Client, request: Request, timeout: float) -> Response:
    """Send a request with its own headers only, in their order, repeated ones included.

    Raises:
        Unanswered: There is no response.
    """
    if request.method == "GET" and request.header("accept") == "text/event-stream":
        timeout = min(timeout, 2 * _STREAM_PATIENCE)  # a stream may stay silent for ever
    deadline = time.monotonic() + timeout
    try:
        headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in request.headers]
        prepared = httpx.Request(request.method, request.url, headers=headers, content=request.body or None)
        prepared.extensions = {"timeout": httpx.Timeout(timeout).as_dict()}
        with within(timeout):
            answer = client.send(prepared, stream=True, follow_redirects=False)
            try:
                return Response(answer.status_code, _fields(answer), _read(answer, deadline))
            finally:
                answer.close()
    except (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, UnicodeError) as error:
        kind = NotSent if isinstance(error.__cause__, OutOfReach) else Unanswered
        raise kind(_reason(error), Exchange("", "", "", "", "", request)) from error


def _fields(answer: httpx.Response) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers.raw)


def _read(answer: httpx.Response, deadline: float) -> bytes:
    """The body, or as much of it as fits. An event stream may stay open: its beginning is enough."""
    streaming = answer.headers.get("content-type", "").startswith("text/event-stream")
    patience = time.monotonic() + _STREAM_PATIENCE if streaming else deadline
    body = bytearray()
    try:
        for chunk in _decoded(answer):
            body += chunk
            if len(body) > MAX_BODY or (streaming and _has_result(body)):
                break
            if time.monotonic() > patience:
                if streaming:
                    break
                raise httpx.ReadTimeout("the body came too slowly")
    except httpx.ReadTimeout:
        if not streaming:
            raise
    return bytes(body)


def _decoded(answer: httpx.Response) -> Iterator[bytes]:
    """The body in small pieces. Nobody asked for a coding, so one layer is undone, and never all of it at once."""
    coding = answer.headers.get("content-encoding", "identity").strip().lower()
    if coding == "identity" or answer.is_stream_consumed:
        yield from answer.iter_raw() if not answer.is_stream_consumed else answer.iter_bytes()
        return
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise httpx.DecodingError(f"the body is coded as {coding[:40]!r}, which nobody asked for")
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # finds out by itself whether it is gzip or zlib
    try:
        for packed in answer.iter_raw():
            yield inflate.decompress(packed, MAX_BODY)
            while inflate.unconsumed_tail:
                yield inflate.decompress(inflate.unconsumed_tail, MAX_BODY)
    except zlib.error as error:
        raise httpx.DecodingError(f"the body is no {coding}: {error}") from None


def _has_result(body: bytearray) -> bool:
    return b"\n\n" in body.replace(b"\r\n", b"\n") and (b'"result"' in body or b'"error"' in body)


def _reason(error: Exception) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return f"its TLS certificate is not valid: {str(error).partition('failed: ')[2].partition(' (_ssl')[0]}"
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        return f"no connection ({error})" if str(error) else "no connection"
    if isinstance(error, httpx.TimeoutException):
        return "no complete answer in time"
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError):
        return "the connection was cut, or what came was not HTTP"
    if isinstance(error, UnicodeError):
        return "what the target told us to send cannot be sent"
    return f"{type(error).__name__}: {error}"
