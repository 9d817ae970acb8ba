"""A protected MCP server that answers to every revision: what a client meets first."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from mcp_types import UNSUPPORTED_PROTOCOL_VERSION

from conformance.mcp_message import is_modern
from conformance.personas.issuer import Given, Issuer
from conformance.requirements import REVISIONS
from mcp_demo.exchange.model import Request, Response
from mcp_demo.oauth import challenge, resource_metadata, scopes

READ, WRITE = "read", "write"
TOOLS = ("first_tool", "second_tool")
_SESSION = (("mcp-session-id", "conformance-session"),)
_META_VERSION = "io.modelcontextprotocol/protocolVersion"

Challenges = Callable[["McpServer", Mapping[str, str]], Sequence[str]]


def json_response(document: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """A JSON document."""
    return Response(status, (("content-type", "application/json"), *headers), json.dumps(document).encode())


def plain_challenge(server: "McpServer", parameters: Mapping[str, str]) -> Sequence[str]:
    """The challenge as most servers write it: it names the metadata, and the scope of the basic operations."""
    named = {"resource_metadata": server.metadata_url, "scope": READ}
    return (challenge.build_bearer({**named, **parameters}),)


@dataclass
class McpServer:
    """The server, protected by the issuers that it lists at the moment.

    Args:
        url: Its endpoint.
        revision: The newest revision it speaks.
        issuers: The authorization servers whose tokens it takes; its metadata lists them.
        members: Members of its metadata to replace, or with None to leave out.
        metadata_at: The path of the metadata, if not the one of RFC 9728.
        challenges: Writes the `WWW-Authenticate` values of a refusal.
        needs: The scopes that a method needs.
        before: Is asked first about each request with a valid token; what it returns is the answer.
        after: Is told of each token that was used.
    """

    url: str
    revision: str
    issuers: list[Issuer]
    members: dict[str, Any] = field(default_factory=dict[str, Any])
    metadata_at: str | None = None
    challenges: Challenges = plain_challenge
    needs: Callable[[str], Sequence[str]] = lambda method: (READ,)
    before: Callable[[Request, str], Response | None] = lambda request, method: None
    after: Callable[[str], None] = lambda token: None

    @property
    def metadata_url(self) -> str:
        """Where its metadata lies."""
        return self.metadata_at or resource_metadata.well_known_url(self.url)

    def metadata(self) -> Response:
        """The metadata (RFC 9728 §2)."""
        members = {
            "resource": self.url,
            "authorization_servers": [issuer.url for issuer in self.issuers],
            "scopes_supported": [READ, WRITE],
            "bearer_methods_supported": ["header"],
            **self.members,
        }
        return json_response({name: value for name, value in members.items() if value is not None})

    def answer(self, request: Request) -> Response:
        """Answer a request to the endpoint."""
        token = _token(request)
        held = self._held(token)
        if held is None:
            return self.refuse(401, {"error": "invalid_token"} if token else {})
        if request.method != "POST":
            return Response(405, (("allow", "POST"),))
        message = _message(request)
        method = str(message.get("method"))
        odd = self.before(request, method)
        if odd is not None:
            return odd
        lacking = scopes.missing(self.needs(method), held.scopes)
        if lacking:
            return self.refuse(403, {"error": "insufficient_scope", "scope": scopes.join(lacking)})
        response = self._carry_out(request, message, method)
        if "id" in message and response.status == 200:
            held.use()
            self.after(token)
        return response

    def refuse(self, status: int, parameters: Mapping[str, str]) -> Response:
        """A refusal with its challenges."""
        values = self.challenges(self, parameters)
        return Response(status, tuple(("www-authenticate", value) for value in values))

    def _held(self, token: str) -> Given | None:
        found = (issuer.access_tokens.get(token) for issuer in self.issuers)
        return next((given for given in found if given is not None and given.is_alive()), None)

    def _carry_out(self, request: Request, message: Mapping[str, Any], method: str) -> Response:
        identifier = message.get("id")
        if identifier is None:
            return Response(202)
        asked = request.header("mcp-protocol-version") or ""
        if asked > self.revision:
            data = {"supported": [self.revision], "requested": asked}
            error = {"code": UNSUPPORTED_PROTOCOL_VERSION, "message": "Unsupported protocol version", "data": data}
            return json_response({"jsonrpc": "2.0", "id": identifier, "error": error}, 400)
        params = cast("Mapping[str, Any]", message.get("params") or {})
        results: Mapping[str, Callable[[], Mapping[str, Any]]] = {
            "initialize": partial(self._handshake, params),
            "tools/list": lambda: {"tools": [_tool(name) for name in TOOLS]},
            "tools/call": lambda: {"content": [{"type": "text", "text": "done"}]},
            "ping": lambda: {},
        }
        made = results.get(method)
        if made is None and method == "server/discover" and is_modern(self.revision):
            made = self._discovery
        if made is None:
            error = {"code": -32601, "message": "Method not found"}
            return json_response({"jsonrpc": "2.0", "id": identifier, "error": error})
        result = made() if method == "initialize" else {**_modern(method, message), **made()}
        document = {"jsonrpc": "2.0", "id": identifier, "result": result}
        return json_response(document, headers=_SESSION if method == "initialize" else ())

    def _handshake(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        asked = str(params.get("protocolVersion"))
        known = [revision for revision in REVISIONS if revision <= self.revision]
        chosen = asked if asked in known else min(self.revision, "2025-11-25")
        return {"protocolVersion": chosen, "capabilities": {"tools": {}}, "serverInfo": _ABOUT}

    def _discovery(self) -> Mapping[str, Any]:
        return {"supportedVersions": [self.revision], "capabilities": {"tools": {}}, "serverInfo": _ABOUT}


_ABOUT = {"name": "mcp-conformance", "version": "1"}


def _tool(name: str) -> Mapping[str, Any]:
    return {"name": name, "description": "Does nothing.", "inputSchema": {"type": "object", "properties": {}}}


def _modern(method: str, message: Mapping[str, Any]) -> Mapping[str, Any]:
    """What results of the newest revision have besides."""
    params = cast("Mapping[str, Any]", message.get("params") or {})
    if _META_VERSION not in cast("Mapping[str, Any]", params.get("_meta") or {}):
        return {}
    kept = {"ttlMs": 0, "cacheScope": "private"} if method in ("tools/list", "server/discover") else {}
    return {"resultType": "complete", **kept}


def _message(request: Request) -> Mapping[str, Any]:
    try:
        message: Any = json.loads(request.body)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", message) if isinstance(message, dict) else {}


def _token(request: Request) -> str:
    """The token of a request, taken from the query too, so that it is for a check to say what is wrong with it."""
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    return token if scheme.lower() == "bearer" else dict(parse_qsl(urlsplit(request.url).query)).get("access_token", "")
