"""The engine as an auth object of httpx, and of httpx2, which the `mcp` SDK's transport uses.

    httpx.AsyncClient(auth=OAuth(engine, sign_in))
    streamable_http_client(url, http_client=httpx2.AsyncClient(auth=SdkOAuth(engine, sign_in)))

However many requests are under way, one of them authorizes and the others wait for it.
"""

import threading
import time
from abc import abstractmethod
from collections.abc import AsyncGenerator, Generator
from typing import Generic, Protocol, TypeVar

import anyio
import httpx
import httpx2

from mcp_demo.client.drive import Record, SignInWay, answer, answer_sync, from_httpx, ignore, to_httpx
from mcp_demo.client.engine import Engine
from mcp_demo.client.events import Event, Flow, Pause, Reply, SignIn, Step, Turn
from mcp_demo.exchange.model import Request, Response


class _Headers(Protocol):
    def multi_items(self) -> list[tuple[str, str]]: ...
    def __setitem__(self, key: str, value: str) -> None: ...


class _Sent(Protocol):
    @property
    def headers(self) -> _Headers: ...
    @property
    def method(self) -> str: ...
    @property
    def url(self) -> object: ...
    @property
    def content(self) -> bytes: ...


class _Received(Protocol):
    @property
    def headers(self) -> _Headers: ...
    @property
    def status_code(self) -> int: ...
    async def aread(self) -> bytes: ...


Out = TypeVar("Out", bound=_Sent)
In = TypeVar("In", bound=_Received)


class _Face(Generic[Out, In]):
    """What the faces share. `primary` is the caller's own request: sent as it stands, its response left unread."""

    requires_request_body = True

    def __init__(self, engine: Engine, sign_in: SignInWay | None = None, record: Record = ignore) -> None:
        self._engine, self._sign_in, self._record = engine, sign_in, record
        self._lock = anyio.Lock()
        self.failure: Exception | None = None

    @abstractmethod
    def _out(self, request: Request) -> Out: ...

    @abstractmethod
    def _in(self, response: In) -> Response: ...

    def _flow(self, request: Out) -> tuple[Flow[Response], Request]:
        headers = tuple(request.headers.multi_items())
        primary = Request(request.method, str(request.url), headers, request.content)
        return self._engine.send(step_of(primary)), primary

    def _prepared(self, step: Step, request: Out, primary: Request) -> tuple[Out, bool]:
        """What to send for a step, and whether it is the caller's own request."""
        if step.request.url != primary.url or step.request.body is not primary.body:
            return self._out(step.request), False
        for name in ("authorization", "dpop"):
            if value := step.request.header(name):
                request.headers[name] = value
        return request, True

    def _recorded(self, step: Step, response: Response, started: float, clock: float) -> Reply:
        self._record(step.exchange(response, started, time.perf_counter() - clock))
        return response

    async def async_auth_flow(self, request: Out) -> AsyncGenerator[Out, In]:
        """Send a request, authorizing as often as it takes; see `Engine.send`."""
        if not self._engine.covers(str(request.url)):
            yield request
            return
        flow, primary = self._flow(request)
        holds, reply = False, None
        try:
            while (event := advance(flow, reply)) is not None:
                reply = None
                if isinstance(event, Step):
                    sent, own = self._prepared(event, request, primary)
                    started, clock = time.time(), time.perf_counter()
                    received = yield sent
                    if not own:
                        await received.aread()
                    answered = head(received) if own else self._in(received)
                    reply = self._recorded(event, answered, started, clock)
                elif isinstance(event, SignIn):
                    reply = await answer(self._sign_in, event, flow)
                elif isinstance(event, Pause):
                    await anyio.sleep(event.seconds)
                elif event is Turn.TAKE:
                    await self._lock.acquire()
                    holds = True
                else:
                    self._lock.release()
                    holds = False
        except Exception as error:
            self.failure = error
            raise
        finally:
            if holds:
                self._lock.release()


class OAuth(_Face[httpx.Request, httpx.Response], httpx.Auth):
    """Authorization for an `httpx` client, asynchronous or not.

    Args:
        engine: The flow.
        sign_in: How somebody signs in; None means that what is stored has to do.
        record: Is told every exchange.
    """

    def __init__(self, engine: Engine, sign_in: SignInWay | None = None, record: Record = ignore) -> None:
        super().__init__(engine, sign_in, record)
        self._thread_lock = threading.Lock()

    def _out(self, request: Request) -> httpx.Request:
        return to_httpx(request)

    def _in(self, response: httpx.Response) -> Response:
        return from_httpx(response)

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """The same without an event loop."""
        if not self._engine.covers(str(request.url)):
            yield request
            return
        request.read()
        flow, primary = self._flow(request)
        holds, reply = False, None
        try:
            while (event := advance(flow, reply)) is not None:
                reply = None
                if isinstance(event, Step):
                    sent, own = self._prepared(event, request, primary)
                    started, clock = time.time(), time.perf_counter()
                    received = yield sent
                    if not own:
                        received.read()
                    answered = head(received) if own else self._in(received)
                    reply = self._recorded(event, answered, started, clock)
                elif isinstance(event, SignIn):
                    reply = answer_sync(self._sign_in, event, flow)
                elif isinstance(event, Pause):
                    time.sleep(event.seconds)
                elif event is Turn.TAKE:
                    holds = self._thread_lock.acquire()
                else:
                    self._thread_lock.release()
                    holds = False
        finally:
            if holds:
                self._thread_lock.release()


class SdkOAuth(_Face[httpx2.Request, httpx2.Response], httpx2.Auth):
    """Authorization for an `httpx2` client, and with it for the transport of the `mcp` SDK; see `OAuth`."""

    def _out(self, request: Request) -> httpx2.Request:
        return httpx2.Request(request.method, request.url, headers=list(request.headers), content=request.body)

    def _in(self, response: httpx2.Response) -> Response:
        return Response(response.status_code, tuple(response.headers.multi_items()), response.content)


def step_of(request: Request) -> Step:
    """A caller's own request to the MCP server as a step."""
    return Step(
        "Call the MCP server",
        "The client sends the request; if a token is missing, the answer says where to get one.",
        "MCP 2026-07-28 Streamable HTTP",
        "client",
        "MCP server",
        "access",
        request,
    )


def head(response: _Received) -> Response:
    """Status and headers of a response whose body is for the caller, who may want to stream it."""
    return Response(response.status_code, tuple(response.headers.multi_items()))


def advance(flow: Flow[Response], reply: Reply) -> Event | None:
    """The next event of a flow, or None at its end."""
    try:
        return flow.send(reply)
    except StopIteration:
        return None
