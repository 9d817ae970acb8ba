"""The shorter way through the SDK answers like the SDK's own endpoint: status, headers and body, byte for byte."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.mcpserver import Context as Call
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp_types import ClientCapabilities, EmptyResult, ErrorData, RequestParams, SamplingCapability
from pydantic import BaseModel
from starlette.types import ASGIApp, Message

from mcp_demo.oauth.access_token import AccessToken
from mcp_demo.server.authorization import CALLER
from mcp_demo.server.body import MAX_BODY
from mcp_demo.server.contexts import SqliteContexts
from mcp_demo.server.downstream import ON_BEHALF, Seen
from mcp_demo.server.operations import Operations
from mcp_demo.server.protocol_version import ProtocolVersion
from mcp_demo.server.single_exchange import SingleExchange
from mcp_demo.server.tools import Tools, mcp_server

RESOURCE = "http://localhost:3001/mcp"
BOTH = ["2025-06-18", "2025-11-25"]
VERSIONS = [None, *BOTH]
PLAIN = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
READER = AccessToken("https://issuer.example", "alice", "app", None, (f"{RESOURCE}/read",), 1_800_000_000)
NEW_ERA: dict[str, object] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass(frozen=True)
class Case:
    """What is sent, and whether it goes the shorter way."""

    name: str
    body: bytes
    short: bool = False
    headers: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    method: str = "POST"


def message(method: str, params: object = None, **members: object) -> bytes:
    """A JSON-RPC request."""
    given = {} if params is None else {"params": params}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, **given, **members}).encode()


def tool(name: str, arguments: object = None, **members: object) -> bytes:
    """A call of a tool."""
    return message("tools/call", {"name": name, "arguments": {} if arguments is None else arguments, **members})


def nested(depth: int) -> bytes:
    return b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":' + b"[" * depth + b"]" * depth + b"}}"


LIST = message("tools/list")
SHORT = {
    "tools/list": LIST,
    "with empty params": message("tools/list", {}),
    "with params null": b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":null}',
    "with a cursor": message("tools/list", {"cursor": "next"}),
    "with a cursor that is no text": message("tools/list", {"cursor": 7}),
    "with params nobody knows": message("tools/list", {"limit": 7, "x": [1, {"y": None}]}),
    "ping": message("ping"),
    "ping with meta": message("ping", {"_meta": {"a/b": 1}}),
    "resources/list": message("resources/list"),
    "resources/templates/list": message("resources/templates/list"),
    "resources/read": message("resources/read", {"uri": "note://one"}),
    "resources/read of none": message("resources/read", {"uri": "note://none"}),
    "resources/read that fails": message("resources/read", {"uri": "note://broken"}),
    "resources/read without uri": message("resources/read", {}),
    "prompts/list": message("prompts/list"),
    "prompts/get": message("prompts/get", {"name": "greet", "arguments": {"whom": "Bob"}}),
    "prompts/get of none": message("prompts/get", {"name": "none"}),
    "prompts/get without an argument": message("prompts/get", {"name": "greet"}),
    "whoami": tool("whoami"),
    "a tool without arguments": message("tools/call", {"name": "whoami"}),
    "a tool with arguments null": message("tools/call", {"name": "whoami", "arguments": None}),
    "a tool with a list of arguments": tool("whoami", [1]),
    "a tool without a name": message("tools/call", {"arguments": {}}),
    "a tool without params": message("tools/call"),
    "a tool whose name is a number": message("tools/call", {"name": 7}),
    "list_contexts": tool("list_contexts"),
    "a tool that the token does not cover": tool("add_context", {"name": "n", "text": "t"}),
    "a tool with wrong arguments": tool("add_context", {"name": "", "text": 7}),
    "a tool that calls on": tool("whoami_downstream"),
    "an unknown tool": tool("none"),
    "a tool that is refused": tool("refuses"),
    "a tool that breaks": tool("breaks"),
    "a tool that answers with an error": tool("protests"),
    "a tool that answers with an error and nothing more": tool("objects"),
    "a tool that asks the user": tool("elicits"),
    "a tool whose answer is no JSON": tool("unsendable"),
    "a tool that asks the client": tool("asks"),
    "a tool that looks at the call": tool("looks", {"text": "ä€😀\u2028"}),
    "a tool that reports": tool("reports"),
    "progress": tool("reports", _meta={"progressToken": "p"}),
    "progress by number": tool("reports", _meta={"progressToken": 7}),
    "progress by null": message("tools/list", {"_meta": {"progressToken": None}}),
    "progress by true": tool("reports", _meta={"progressToken": True}),
    "meta": tool("looks", {"text": "t"}, _meta={"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01", "x": 1}),
    "meta that is text": tool("looks", {"text": "t"}, _meta="x"),
    "meta that is null": tool("looks", {"text": "t"}, _meta=None),
    "a handler that breaks": message("x/breaks"),
    "a handler that gives nothing": message("x/nothing"),
    "a handler that gives no result": message("x/wrong"),
    "a handler that finds a value invalid": message("x/invalid"),
    "a method of the new era": message("server/discover"),
    "an id that is text": message("ping", id="a\u2028\"'"),
    "an id that is empty": message("ping", id=""),
    "an id that is a number as text": message("ping", id="1"),
    "an id that is zero": message("ping", id=0),
    "an id below zero": message("ping", id=-1),
    "a huge id": message("ping", id=10**40),
    "a huge number": tool("looks", {"text": "t", "number": 10**400}),
    "not a number": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"looks","arguments":{"n":NaN}}}',
    "infinity": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"looks","arguments":{"n":1e999}}}',
    "a member twice": b'{"jsonrpc":"2.0","id":1,"method":"initialize","id":2,"method":"tools/list"}',
    "a param twice": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add_context","name":"whoami"}}',
    "members nobody knows": message("ping", extra={"a": 1}),
    "white space around": b"\r\n\t " + LIST + b" \n",
    "nested": nested(100),
    "text beyond the BMP": b'{"jsonrpc":"2.0","id":"\\ud83d\\ude00","method":"ping"}',
}
LONG = {
    "initialize": message(
        "initialize",
        {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}},
    ),
    "initialize with wrong params": message("initialize", {}),
    "initialized": b'{"jsonrpc":"2.0","method":"notifications/initialized"}',
    "cancelled": b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
    "a notification by a request's name": b'{"jsonrpc":"2.0","method":"tools/list"}',
    "a response": b'{"jsonrpc":"2.0","id":1,"result":{}}',
    "an error": b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}',
    "a request that is a response": b'{"jsonrpc":"2.0","id":1,"method":7,"result":{}}',
    "an unknown method": message("none/such"),
    "an empty method": message(""),
    "completion, which nobody offers": message("completion/complete", {"ref": {"type": "ref/prompt", "name": "greet"}}),
    "logging, which nobody offers": message("logging/setLevel", {"level": "info"}),
    "subscriptions, which are not here": message("subscriptions/listen", {}),
    "an id null": message("ping", id=None),
    "an id true": message("ping", id=True),
    "an id with a fraction": message("ping", id=1.5),
    "an id that is a list": message("ping", id=[1]),
    "an id as float": b'{"jsonrpc":"2.0","id":1.0,"method":"ping"}',
    "no version of JSON-RPC": b'{"id":1,"method":"ping"}',
    "JSON-RPC 1.0": message("ping", jsonrpc="1.0"),
    "params that are a list": message("ping", [1]),
    "params that are text": message("tools/list", "x"),
    "a batch": b"[" + LIST + b"]",
    "an empty batch": b"[]",
    "an empty object": b"{}",
    "text": b'"tools/list"',
    "null": b"null",
    "nothing": b"",
    "no JSON": b"{",
    "more than one": LIST + LIST,
    "nested too deep": nested(250),
    "nested far too deep": nested(100_000),
    "a number beyond all": b'{"jsonrpc":"2.0","id":' + b"1" * 5000 + b',"method":"ping"}',
    "no UTF-8": b'{"jsonrpc":"2.0","id":"\xff","method":"ping"}',
    "a BOM": b"\xef\xbb\xbf" + LIST,
    "UTF-16": LIST.decode().encode("utf-16"),
    "half a pair": b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}',
    "an id with a zero": b'{"jsonrpc":"2.0","id":"\x00","method":"ping"}',
    "the new era's version in the body": message("tools/list", {"_meta": NEW_ERA}),
    "too large": b" " * MAX_BODY + LIST,
}
HEADERS: list[Case] = [
    Case("content-type with a charset", LIST, short=True, headers={"content-type": "application/json; charset=utf-8"}),
    Case("content-type with spaces", LIST, short=True, headers={"content-type": "application/json ;x"}),
    Case("content-type in capitals", LIST, headers={"content-type": "Application/JSON"}),
    Case("content-type of two", LIST, headers={"content-type": "application/json, text/plain"}),
    Case("content-type that begins like it", LIST, headers={"content-type": "application/jsonp"}),
    Case("content-type of text", LIST, headers={"content-type": "text/plain"}),
    Case("no content-type", LIST, headers={"content-type": None}),
    Case("accept of JSON", LIST, short=True, headers={"accept": "application/json"}),
    Case("accept of anything", LIST, short=True, headers={"accept": "*/*"}),
    Case("accept of any application", LIST, short=True, headers={"accept": "text/html, Application/*;q=0.1"}),
    Case("accept of events", LIST, headers={"accept": "text/event-stream"}),
    Case("accept of HTML", LIST, headers={"accept": "text/html"}),
    Case("no accept", LIST, headers={"accept": None}),
    Case("a session", LIST, short=True, headers={"mcp-session-id": "abc"}),
    Case("a name of the new era", LIST, short=True, headers={"mcp-method": "tools/call", "mcp-name": "none"}),
    Case("an unknown version", LIST, headers={"mcp-protocol-version": "2025-01-01"}),
    Case("an empty version", LIST, headers={"mcp-protocol-version": ""}),
    Case("a version with a space", LIST, headers={"mcp-protocol-version": "2025-11-25 "}),
    Case("the new era", message("tools/list", {"_meta": NEW_ERA}), headers={"mcp-protocol-version": "2026-07-28"}),
    Case("GET", LIST, headers={"accept": "application/json"}, method="GET"),
    Case("DELETE", LIST, method="DELETE"),
    Case("PUT", LIST, method="PUT"),
]
CASES = [
    *(Case(name, body, short=True) for name, body in SHORT.items()),
    *(Case(name, body) for name, body in LONG.items()),
    *HEADERS,
]
REFUSED_BEFORE = {
    "the new era's version in the body",
    "an unknown version",
    "an empty version",
    "a version with a space",
    "too large",
}
"""What gets no further than `ProtocolVersion`."""

SEEN: list[str] = []
WAITING: list[asyncio.Event] = []


class Number(BaseModel):
    """What is not a number by itself."""

    value: int


async def looks(call: Call[Any, Any], text: str = "", number: float = 0, n: float = 0) -> dict[str, Any]:
    """Say what a tool can see of its call."""
    context: Any = call.request_context
    request: Any = context.request
    return {
        "text": text,
        "numbers": [str(number), str(n)],
        "id": [repr(context.request_id), call.request_id],
        "version": context.protocol_version,
        "capabilities": repr(call.client_capabilities),
        "samples": call.session.check_client_capability(ClientCapabilities(sampling=SamplingCapability())),
        "client": repr(context.session.client_params),
        "meta": repr(context.meta),
        "params": repr(context.params),
        "lifespan": repr(context.lifespan_context),
        "streams": repr((context.close_sse_stream, context.close_standalone_sse_stream)),
        "request": [request.method, request.url.path, dict(request.headers), (await request.body()).decode()],
        "caller": repr(request.scope[CALLER]),
    }


async def reports(call: Call[Any, Any]) -> str:
    """Tell how it goes, to nobody."""
    await call.report_progress(1, 2, "half")
    await call.session.send_tool_list_changed()
    await call.session.send_resource_updated("note://one")
    return "done"


async def asks(call: Call[Any, Any]) -> str:
    """Ask the client something, which cannot answer."""
    await call.session.send_ping()
    return "answered"


async def elicits(call: Call[Any, Any]) -> str:
    """Ask the user something, who is not there."""
    return repr(await call.elicit("How much?", Number))


async def refuses() -> str:
    """Refuse."""
    raise ToolError("No.")


async def breaks() -> str:
    """Break."""
    raise RuntimeError("broken")


async def waits() -> str:
    """Wait until told, and say so when it is cut short."""
    WAITING.append(told := asyncio.Event())
    try:
        await told.wait()
    except asyncio.CancelledError:
        WAITING.append(told)
        raise
    return "waited"


async def protests() -> str:
    """Answer with an error of JSON-RPC."""
    raise MCPError(code=-32099, message="m", data={"a": [1, None]})


async def objects() -> str:
    """Answer with an error of JSON-RPC and no data."""
    raise MCPError.from_error_data(ErrorData(code=-32099, message="m", data=None))


async def unsendable() -> str:
    """Answer with what no JSON holds."""
    return "\ud800"


async def watched(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Note what a middleware sees, from outside of the handler."""
    request: list[Any] = [ctx.method, ctx.params, ctx.meta, ctx.request_id, ctx.protocol_version]
    request += [dict(getattr(ctx.request, "headers", {})), ctx.lifespan_context, ctx.session.client_params]
    try:
        result = await call_next(ctx)
    except Exception as raised:
        SEEN.append(repr([*request, raised]))
        raise
    SEEN.append(repr([*request, result]))
    return result


async def _until(condition: Callable[[], bool]) -> list[asyncio.Event]:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)
    return WAITING


async def _seen() -> Seen:
    return Seen(subject="alice", actors=["server"], audience="api", scopes=[], expires_at=1_800_000_000)


@cache
def lowlevel() -> Server[Any]:
    """Our server with more to ask for. Nothing about it changes from one request to the next."""
    server: MCPServer[Any] = mcp_server(Tools(SqliteContexts(None), Operations(RESOURCE)), downstream=True)
    for function in (looks, reports, asks, elicits, refuses, breaks, waits, protests, objects, unsendable):
        server.add_tool(function)

    @server.resource("note://{name}")
    def note(name: str) -> str:
        if name == "broken":
            raise RuntimeError("broken")
        return name

    @server.prompt()
    def greet(whom: str) -> str:
        return f"Hello {whom}"

    server.streamable_http_app(stateless_http=True, json_response=True)
    found: Server[Any] = server.session_manager.app

    async def broken(_: object, __: object) -> EmptyResult:
        raise RuntimeError("broken")

    async def nothing(_: object, __: object) -> None:
        return None

    async def wrong(_: object, __: object) -> Any:
        return ["no result"]

    async def invalid(_: object, __: object) -> EmptyResult:
        Number.model_validate({"value": "x"})
        return EmptyResult()

    for name, handler in (("breaks", broken), ("nothing", nothing), ("wrong", wrong), ("invalid", invalid)):
        found.add_request_handler(f"x/{name}", RequestParams, handler)
    found.middleware.insert(0, watched)
    return found


@dataclass
class Endpoints:
    """The same server behind both, and how often the SDK's own endpoint was asked."""

    usual: ASGIApp
    shorter: ASGIApp
    asked: int = 0


@asynccontextmanager
async def endpoints(server: Server[Any]) -> AsyncGenerator[Endpoints]:
    manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True, max_request_body_size=MAX_BODY)
    handle = manager.handle_request
    found = Endpoints(ProtocolVersion(handle), ProtocolVersion(SingleExchange(manager)))

    async def counted(*request: Any) -> None:
        found.asked += 1
        await handle(*request)

    manager.handle_request = counted  # pyright: ignore[reportAttributeAccessIssue]
    async with manager.run():
        yield found


async def ask(app: ASGIApp, case: Case, version: str | None, *, whole: bool = True) -> list[Message]:
    """Everything the app sends, as it sends it, to who sends all of the body, or hangs up within it."""
    length = str(len(case.body))
    fields = {**PLAIN, "mcp-protocol-version": version, "content-length": length, **case.headers}
    headers = [(name.encode(), value.encode()) for name, value in fields.items() if value is not None]
    scope = {"type": "http", "method": case.method, "path": "/mcp", "query_string": b"", "headers": headers}
    part = {"type": "http.request", "body": case.body, "more_body": not whole}
    arriving: list[Message] = [{"type": "http.disconnect"}, part]
    sent: list[Message] = []

    async def receive() -> Message:
        return arriving.pop()

    async def send(part: Message) -> None:
        sent.append(part)

    await app({**scope, CALLER: READER, ON_BEHALF: _seen}, receive, send)
    return sent


def flat(sent: list[Message]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    return sent[0]["status"], list(sent[0]["headers"]), b"".join(part.get("body", b"") for part in sent[1:])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_both_ways_give_the_same_bytes(case: Case) -> None:
    async with endpoints(lowlevel()) as found:
        for version in VERSIONS:
            found.asked = 0
            usual = flat(await ask(found.usual, case, version))
            assert not found.asked
            assert flat(await ask(found.shorter, case, version)) == usual, version
            assert found.asked == (0 if case.short or case.name in REFUSED_BEFORE else 1), "which way it went"


@pytest.mark.parametrize("version", BOTH)
async def test_middlewares_see_the_same_requests_and_outcomes(version: str | None) -> None:
    async with endpoints(lowlevel()) as found:
        for case in (case for case in CASES if case.short):
            SEEN.clear()
            await ask(found.usual, case, version)
            await ask(found.shorter, case, version)
            usual, shorter = SEEN
            assert shorter == usual, case.name


@pytest.mark.parametrize("version", BOTH)
async def test_who_hangs_up_is_served_to_the_end_and_a_cancelled_request_is_not(version: str | None) -> None:
    case = Case("a tool that waits", tool("waits"), short=True)
    async with endpoints(lowlevel()) as found:
        for app in (found.usual, found.shorter):
            WAITING.clear()
            request = asyncio.create_task(ask(app, case, version))
            (wait,) = await _until(lambda: len(WAITING) == 1)
            wait.set()
            assert b"waited" in flat(await request)[2]
            request = asyncio.create_task(ask(app, case, version))
            await _until(lambda: len(WAITING) == 2)
            request.cancel()
            await asyncio.wait([request])
            assert request.cancelled()
            await _until(lambda: len(WAITING) == 3)


@pytest.mark.parametrize("version", [*BOTH, "2026-07-28"])
async def test_who_hangs_up_within_a_request_leaves_no_traceback(
    version: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with endpoints(lowlevel()) as found:
        await ask(found.shorter, Case("a tool", tool("whoami"), short=True), version, whole=False)
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
