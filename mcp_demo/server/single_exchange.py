"""One request of the handshake era, answered by the SDK without a connection around it (MCP Streamable HTTP).

Up to 2025-11-25 the SDK's stateless endpoint builds a transport, four streams and three tasks around each request, only
to hand it to the layer that serves it. That layer is public, and the SDK's own way for 2026-07-28: `runner.serve_one`
takes one request, `Connection.from_envelope` is the connection that its stateless endpoint makes in both eras, and
`jsonrpc_message_adapter` tells what a message is. So validation, middlewares with their spans, handlers, errors and the
form of results per revision all stay the SDK's, and nothing of the protocol is decided here.

Only plain requests come this way. Whatever else there is, from `initialize` to a batch, goes to the SDK's endpoint as
it came.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
from mcp.server.connection import Connection
from mcp.server.runner import serve_one
from mcp.server.streamable_http import check_accept_headers
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import NoBackChannelError
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp.shared.jsonrpc_dispatcher import handler_exception_to_error_data
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import (
    DEFAULT_NEGOTIATED_VERSION,
    INTERNAL_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
    jsonrpc_message_adapter,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from mcp_demo.server.answers import Answer, json_answer
from mcp_demo.server.body import MESSAGE

_TRANSPORT = TransportContext(kind="streamable-http", can_send_request=False)
_BROKEN = {"code": INTERNAL_ERROR, "message": "Error handling POST request"}
_UNSENDABLE = json_answer(500, {"jsonrpc": "2.0", "id": None, "error": _BROKEN})  # the SDK's words

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One request as its handler sees it (`DispatchContext`): a JSON answer has room for the result and no more."""

    request_id: RequestId
    message_metadata: ServerMessageMetadata
    transport: TransportContext = _TRANSPORT
    can_send_request: bool = False
    cancel_requested: anyio.Event = field(default_factory=anyio.Event)

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """Refuse: the client could not answer."""
        raise NoBackChannelError(method)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        """Drop it, as the SDK does with JSON answers."""

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Drop it: progress is a notification."""


class SingleExchange:
    """ASGI app: the SDK's endpoint, with a shorter way to the same answer for plain requests of the handshake era.

    Args:
        manager: The SDK's endpoint, stateless and with JSON answers. Its server has no lifespan of its own.
    """

    def __init__(self, manager: StreamableHTTPSessionManager) -> None:
        self._manager = manager
        self._server = manager.app
        self._lifespan_state: dict[str, Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        message = self._plain(request)
        if message is not None:
            await _answer(await self._serve(request, message)).send(send)
            return
        try:
            await self._manager.handle_request(scope, receive, send)
        except ClientDisconnect:  # with a traceback for each, anybody with a token could fill the log
            logger.info("A client hung up in the middle of its request; nothing of it was done.")

    def _plain(self, request: Request) -> JSONRPCRequest | None:
        """The message, if it is a request that a handler is registered for and nothing about it is out of the way."""
        headers = request.headers
        if (
            not request.scope.get(MESSAGE)
            or request.method != "POST"
            or headers.get(MCP_PROTOCOL_VERSION_HEADER, DEFAULT_NEGOTIATED_VERSION) not in HANDSHAKE_PROTOCOL_VERSIONS
            or headers.get("content-type", "").partition(";")[0].rstrip() != "application/json"
            or not check_accept_headers(request)[0]
        ):
            return None
        try:
            message = jsonrpc_message_adapter.validate_python(request.scope[MESSAGE], by_name=False)
        except ValidationError:
            return None
        if isinstance(message, JSONRPCRequest) and self._server.get_request_handler(message.method):
            return message
        return None

    async def _serve(self, request: Request, message: JSONRPCRequest) -> JSONRPCResponse | JSONRPCError:
        version = request.headers.get(MCP_PROTOCOL_VERSION_HEADER, DEFAULT_NEGOTIATED_VERSION)
        metadata = ServerMessageMetadata(request_context=request, can_send_request=False)
        try:
            result = await serve_one(
                self._server,
                _Exchange(message.id, metadata),
                message.method,
                message.params,
                connection=Connection.from_envelope(version, None, None),
                lifespan_state=self._lifespan_state,
            )
        except Exception as raised:
            error = handler_exception_to_error_data(raised)
            if error is None:
                logger.exception("handler for %r raised", message.method)
                error = ErrorData(code=0, message=str(raised))  # what the SDK says in this era
            return JSONRPCError(jsonrpc="2.0", id=message.id, error=error)
        return JSONRPCResponse(jsonrpc="2.0", id=message.id, result=result)


def _answer(message: JSONRPCResponse | JSONRPCError) -> Answer:
    try:
        body = message.model_dump_json(by_alias=True, exclude_unset=True).encode()
    except PydanticSerializationError:
        logger.exception("An answer cannot be written as JSON")
        return _UNSENDABLE
    return Answer(200, ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))), body)
