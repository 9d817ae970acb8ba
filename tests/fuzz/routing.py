"""The MCP server as a stranger with few scopes meets it: headers and body of one request, and what was really done.

Since 2026-07-28 the scopes of a call are decided by its headers alone. What makes that right is the SDK, which compares
them with the body; so the whole server runs here, and what is promised is judged by what it did.
"""

import asyncio
import atexit
import json
import re
import time
from base64 import b64decode
from functools import cache
from typing import Any, NamedTuple, cast

import httpx
from joserfc import jws
from joserfc.jwk import RSAKey
from pydantic_core import from_json
from starlette.types import Message

from mcp_demo.server import body as request_body
from mcp_demo.server.app import create_app
from mcp_demo.server.operations import TOOL_SCOPES
from mcp_demo.settings import ServerSettings

_ORIGIN, _ISSUER = "http://localhost:3001", "https://issuer.example"
_RESOURCE = f"{_ORIGIN}/mcp"
_NEWEST = b"2026-07-28"
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
_NO_HEADER_CHARACTERS = b"\r\n\x00"
_FULL = b"no room for another context"
_SECOND_DOOR = b"does not cover this tool"  # said by the tool itself, which nothing uncovered should reach
META: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": _NEWEST.decode(),
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Answered(NamedTuple):
    """What became of a request."""

    status: int
    body: bytes


class Server:
    """The server, alive in this process; its lifetime is that of the process."""

    def __init__(self) -> None:
        key = RSAKey.generate_key(2048, {"kid": "k"}, private=True)
        keys = {"keys": [key.as_dict(private=False)]}
        settings = ServerSettings.model_validate(
            {
                "mcp_url": _RESOURCE,
                "authorization_servers": ["http://localhost:3004"],
                "issuer": _ISSUER,
                "jwks_uri": f"{_ISSUER}/jwks.json",
            }
        )
        self._app = create_app(settings, transport=httpx.MockTransport(lambda _: httpx.Response(200, json=keys)))
        self._key = key
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        ready = asyncio.Event()
        self._life = self._loop.create_task(self._live(ready))
        self._loop.run_until_complete(ready.wait())
        self.tokens: dict[tuple[str, ...], str] = {}
        for scopes in (("read",), ("write",), ("read", "write")):
            self.tokens[scopes] = self._token(scopes)
        atexit.register(self._end)

    def post(self, scopes: tuple[str, ...], fields: list[tuple[bytes, bytes]], body: bytes) -> Answered:
        """Send a request with a token that has these scopes."""
        known = [(b"host", b"localhost:3001"), (b"authorization", b"Bearer " + self.tokens[scopes].encode())]
        return self._loop.run_until_complete(self._post([*known, *fields], body))

    async def _post(self, fields: list[tuple[bytes, bytes]], body: bytes) -> Answered:
        status, answer, over = 0, bytearray(), asyncio.Event()
        parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            if parts:
                return parts.pop()
            await over.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            answer.extend(message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body"):
                over.set()

        scope = {"type": "http", "method": "POST", "path": "/mcp", "raw_path": b"/mcp", "query_string": b""}
        scope |= {"headers": fields, "scheme": "http", "server": ("localhost", 3001), "http_version": "1.1"}
        await self._app(scope, receive, send)
        return Answered(status, bytes(answer))

    def _token(self, scopes: tuple[str, ...]) -> str:
        now = int(time.time())
        claims = {"iss": _ISSUER, "sub": "u", "client_id": "c", "token_use": "access", "aud": _RESOURCE}
        claims |= {"scope": " ".join(f"{_RESOURCE}/{name}" for name in scopes), "iat": now, "exp": now + 86_400}
        return jws.serialize_compact({"alg": "RS256", "kid": "k"}, json.dumps(claims), self._key)

    async def _live(self, ready: asyncio.Event) -> None:
        async with self._app.lifespan_context(self._app):
            ready.set()
            await self._ended.wait()

    def _end(self) -> None:
        self._ended.set()
        self._loop.run_until_complete(self._life)
        self._loop.close()


@cache
def server() -> Server:
    """The one server of this process, made when it is first needed."""
    return Server()


def read(data: bytes) -> list[str]:
    """Send a request with each kind of token; returns the promises that were broken.

    The request is written as lines of `name: value`, an empty line, and the body.
    """
    head, _, body = data.partition(b"\n\n")
    fields = [field for line in head.split(b"\n") if (field := _field(line))]
    return [words for scopes in server().tokens for words in _judged(scopes, fields, body)]


def _field(line: bytes) -> tuple[bytes, bytes] | None:
    """A header as an ASGI server hands it on: names are tokens in lower case, and whose token it is stays."""
    name, _, value = line.partition(b": ")
    well_formed = _TOKEN.fullmatch(name) and not any(character in value for character in _NO_HEADER_CHARACTERS)
    return (name.lower(), value) if well_formed and name.lower() not in (b"host", b"authorization") else None


def _judged(scopes: tuple[str, ...], fields: list[tuple[bytes, bytes]], body: bytes) -> list[str]:
    status, answer = server().post(scopes, fields, body)
    broken = [] if status < 500 else [f"a stranger is answered {status}"]
    if _SECOND_DOOR in answer:
        broken.append("the scopes that were demanded are less than what the operation needs")
    tool = _ran(answer)
    if tool is None:
        return broken
    if TOOL_SCOPES[tool] not in scopes:
        broken.append(f"{tool} ran with a token for {scopes}")
    if len(body) > request_body.MAX_BODY:
        broken.append("a body beyond the limit was served")
    return [*broken, *_disagreeing(tool, fields, body)]


def _ran(answer: bytes) -> str | None:
    """The tool whose result this is: each answers with members of its own."""
    if _FULL in answer:
        return "add_context"
    try:
        found: Any = json.loads(answer)["result"]["structuredContent"]
    except (ValueError, LookupError, TypeError):
        return None
    members = frozenset(cast("dict[str, Any]", found))
    shapes = {"subject": "whoami", "contexts": "list_contexts", "text": "add_context"}
    return next(tool for member, tool in shapes.items() if member in members)


def _disagreeing(tool: str, fields: list[tuple[bytes, bytes]], body: bytes) -> list[str]:
    """What header and body may not have said, now that the tool ran: read here by a reader of our own."""
    said = [(name, value) for name, value in fields if name in (b"mcp-protocol-version", b"mcp-method", b"mcp-name")]
    meant: dict[bytes, bytes] = dict(said)
    message: Any = _loaded(body)
    broken = [] if isinstance(message, dict) else ["a tool ran for what is no single message"]
    if _named(message) not in (None, tool):
        broken.append(f"{tool} ran where the body says {_named(message)!r}")
    if meant.get(b"mcp-protocol-version") == _NEWEST:
        if len(meant) != len(said):
            broken.append("a tool ran though a header came twice")
        if meant.get(b"mcp-method") != b"tools/call" or _decoded(meant.get(b"mcp-name", b"")) != tool:
            broken.append(f"{tool} ran where the headers say {meant!r}")
    return broken


def _loaded(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError:  # an encoding that only one of two readers knows: the tool that ran says what was meant
        return json.loads(body)


def _named(message: Any) -> object:
    try:
        return message["params"]["name"]
    except (LookupError, TypeError):
        return None


def _decoded(value: bytes) -> str:
    if value.startswith(b"=?base64?") and value.endswith(b"?="):
        return b64decode(value[9:-2], validate=True).decode()
    return value.decode("latin-1")


def request(tool: str, *lines: str, name: str | None = None, **members: Any) -> bytes:
    """An example: a call of a tool in the newest revision, with other headers where they are given."""
    head = {"mcp-protocol-version": _NEWEST.decode(), "mcp-method": "tools/call", "mcp-name": name or tool}
    fields = [f"{header}: {value}" for header, value in head.items()] if not lines else list(lines)
    fields += ["accept: application/json, text/event-stream", "content-type: application/json"]
    params: dict[str, Any] = {"name": tool, "arguments": {"name": "a", "text": "b"}, "_meta": META}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params} | members
    return "\n".join([*fields, "", json.dumps(message)]).encode()
