"""Drivers: what turns the events of a flow into requests, in asyncio, in a thread, or one step at a time.

Each of them reports every exchange to one hook, which is how the flow panel, the notebooks and the logs see it.
"""

import time
from collections.abc import Awaitable, Callable, Iterator
from inspect import isawaitable
from typing import Any, Generic, TypeAlias

import anyio
import anyio.to_thread
import httpx

from mcp_demo.client.errors import SignInNeeded
from mcp_demo.client.events import Event, Flow, Pause, Reply, SignIn, Step, T
from mcp_demo.exchange.model import Exchange, Request, Response

SignInWay: TypeAlias = Callable[[str, str], str | Awaitable[str]]
"""Takes the authorization URL and the redirect URI, gives the URL the browser came back to."""
Record: TypeAlias = Callable[[Exchange], None]


class _Done(Generic[T]):
    def __init__(self, value: T) -> None:
        self.value = value


_BODY_LIMIT = 1024 * 1024


def ignore(exchange: Exchange) -> None:
    """Record nothing."""


def to_httpx(request: Request) -> httpx.Request:
    """Our request as one of httpx."""
    return httpx.Request(request.method, request.url, headers=list(request.headers), content=request.body)


def from_httpx(response: httpx.Response) -> Response:
    """A response of httpx, its body read, as ours.

    Raises:
        ValueError: It is larger than any document of this protocol.
    """
    if len(response.content) > _BODY_LIMIT:
        raise ValueError("The response is larger than any document of this protocol.")
    return Response(response.status_code, tuple(response.headers.multi_items()), response.content)


async def drive(flow: Flow[T], http: httpx.AsyncClient, sign_in: SignInWay | None = None, record: Record = ignore) -> T:
    """Run a flow to its end with asyncio or trio.

    Raises:
        ClientError, OAuthError, ProtocolViolation: What the flow raises.
        httpx.HTTPError: A server cannot be reached.
    """
    reply: Reply = None
    while True:
        event = _next(flow, reply)
        if isinstance(event, _Done):
            return event.value
        if isinstance(event, Step):
            started, clock = time.time(), time.perf_counter()
            response = from_httpx(await http.send(to_httpx(event.request), auth=None, follow_redirects=False))
            record(event.exchange(response, started, time.perf_counter() - clock))
            reply = response
        elif isinstance(event, Pause):
            reply = await anyio.sleep(event.seconds)
        else:
            reply = await answer(sign_in, event, flow) if isinstance(event, SignIn) else None


def drive_sync(flow: Flow[T], http: httpx.Client, sign_in: SignInWay | None = None, record: Record = ignore) -> T:
    """Run a flow to its end without an event loop; see `drive`."""
    walk = Walk(flow, http, sign_in, record)
    for _ in walk:
        pass
    return walk.result


class Walk(Generic[T]):
    """A flow one step at a time: look at `upcoming`, call `next_step()`, look at the exchange.

    Args:
        flow: What to walk through.
        http: Sends the requests.
        sign_in: Signs in when the flow comes to it; None means that what is stored has to do.
        record: Is told every exchange.
    """

    def __init__(
        self, flow: Flow[T], http: httpx.Client, sign_in: SignInWay | None = None, record: Record = ignore
    ) -> None:
        self._flow, self._http, self._sign_in, self._record = flow, http, sign_in, record
        self._event = self._skip(_next(flow, None))

    @property
    def upcoming(self) -> Step | SignIn | None:
        """What comes next: a step, a sign-in, or None at the end."""
        return self._event if isinstance(self._event, Step | SignIn) else None

    @property
    def result(self) -> T:
        """What the flow returned.

        Raises:
            RuntimeError: It has not come to its end.
        """
        if not isinstance(self._event, _Done):
            raise RuntimeError("The flow has not come to its end.")
        return self._event.value

    def next_step(self) -> Exchange | None:
        """Take one step. The exchange, or None for a sign-in.

        Raises:
            StopIteration: There is no further step.
        """
        event = self.upcoming
        if event is None:
            raise StopIteration
        if isinstance(event, SignIn):
            self._event = self._skip(_next(self._flow, answer_sync(self._sign_in, event, self._flow)))
            return None
        started, clock = time.time(), time.perf_counter()
        response = from_httpx(self._http.send(to_httpx(event.request), auth=None, follow_redirects=False))
        exchange = event.exchange(response, started, time.perf_counter() - clock)
        self._record(exchange)
        self._event = self._skip(_next(self._flow, response))
        return exchange

    def __iter__(self) -> Iterator[Exchange]:
        """The exchanges, each carried out when it is asked for."""
        while self.upcoming is not None:
            exchange = self.next_step()
            if exchange is not None:
                yield exchange

    def _skip(self, event: "Event | _Done[T]") -> "Event | _Done[T]":
        while not isinstance(event, Step | SignIn | _Done):
            if isinstance(event, Pause):
                time.sleep(event.seconds)
            event = _next(self._flow, None)
        return event


async def answer(sign_in: SignInWay | None, event: SignIn, flow: Flow[Any]) -> str:
    """Let somebody sign in; a way that blocks does so in a thread. The flow is told of a failure, and others by it.

    Raises:
        SignInNeeded: There is no way to.
    """
    try:
        if sign_in is None:
            raise SignInNeeded(event.pending)
        callback = await anyio.to_thread.run_sync(sign_in, event.pending.url, event.pending.redirect_uri)
        return await callback if isawaitable(callback) else callback
    except Exception as error:
        flow.throw(error)
        raise


def answer_sync(sign_in: SignInWay | None, event: SignIn, flow: Flow[Any]) -> str:
    """Let somebody sign in, without an event loop; see `answer`."""
    try:
        if sign_in is None:
            raise SignInNeeded(event.pending)
        callback = sign_in(event.pending.url, event.pending.redirect_uri)
        if not isinstance(callback, str):
            raise TypeError("Without an event loop, a way to sign in must not be asynchronous.")
    except Exception as error:
        flow.throw(error)
        raise
    return callback


def _next(flow: Flow[T], reply: Reply) -> "Event | _Done[T]":
    try:
        return flow.send(reply)
    except StopIteration as stop:
        return _Done(stop.value)
