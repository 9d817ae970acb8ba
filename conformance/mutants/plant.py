"""How a bug is planted: a few lines between the client and the reference server, under the name of the check it is for.

    @mutant("rs.challenge.missing-token", also=("rs.challenge.grammar",))
    async def forbidden(seen, forward, lab):
        '''A request without a token is answered 403.'''

`seen` is the request, `forward` asks the reference server, `lab` holds the issuer's keys.
"""

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast

from joserfc.jwk import RSAKey
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conformance.issuer import decode, verifies
from conformance.mutants.planted import Planted
from conformance.mutants.reference import Lab, Wrapper
from conformance.requirements import LATEST
from conformance.target import Target

RawHeaders = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Seen:
    """A request on its way to the server."""

    method: str
    path: str
    query: bytes = b""
    headers: RawHeaders = field(default_factory=list[tuple[bytes, bytes]])
    body: bytes = b""

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header field, named in lower case."""
        return next((value for key, value in self.headers if key == name), None)

    def with_header(self, name: bytes, value: bytes | None) -> "Seen":
        """The request with one header field replaced, or dropped."""
        kept = [(key, old) for key, old in self.headers if key != name]
        return replace(self, headers=kept if value is None else [*kept, (name, value)])

    @property
    def token(self) -> str | None:
        """The bearer token."""
        scheme, _, token = (self.header(b"authorization") or b"").partition(b" ")
        return token.decode("latin-1") if scheme.lower() == b"bearer" and token else None

    def with_token(self, token: str) -> "Seen":
        """The request with another bearer token; a second Authorization header stays what it is."""
        value = b"Bearer " + token.encode("latin-1")
        if self.header(b"authorization") is None:
            return self.with_header(b"authorization", value)
        first = next(index for index, (key, _) in enumerate(self.headers) if key == b"authorization")
        headers = list(self.headers)
        headers[first] = (b"authorization", value)
        return replace(self, headers=headers)

    @property
    def at_endpoint(self) -> bool:
        """Whether it goes to the MCP endpoint."""
        return self.path == "/mcp"

    @property
    def at_metadata(self) -> bool:
        """Whether it goes to a well-known address of the resource metadata."""
        return self.path.startswith("/.well-known/oauth-protected-resource")

    @property
    def rpc_method(self) -> str:
        """The JSON-RPC method it asks for."""
        with suppress(ValueError):
            message: Any = json.loads(self.body)
            if isinstance(message, dict):
                return str(cast("dict[str, Any]", message).get("method", ""))
        return ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response on its way back."""

    status: int
    headers: RawHeaders = field(default_factory=list[tuple[bytes, bytes]])
    body: bytes = b""

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header field."""
        return next((value for key, value in self.headers if key == name), None)

    def with_header(self, name: bytes, value: bytes | None) -> "Answer":
        """The response with one header field replaced, or dropped."""
        kept = [(key, old) for key, old in self.headers if key != name]
        return replace(self, headers=kept if value is None else [*kept, (name, value)])

    def challenge(self, change: Callable[[bytes], bytes | None]) -> "Answer":
        """The response with its WWW-Authenticate changed, if it has one."""
        value = self.header(b"www-authenticate")
        return self if value is None else self.with_header(b"www-authenticate", change(value))

    def without(self, parameter: bytes) -> "Answer":
        """The response without one parameter of its challenge."""
        return self.challenge(lambda value: drop_parameter(value, parameter))

    def document(self, change: Callable[[dict[str, Any]], object]) -> "Answer":
        """The response with its JSON body changed in place."""
        if self.status != 200 or not self.body:
            return self
        members: dict[str, Any] = json.loads(self.body)
        change(members)
        return replace(self, body=json.dumps(members).encode())


Forward = Callable[[Seen], Awaitable[Answer]]
Behaviour = Callable[[Seen, Forward, Lab], Awaitable[Answer]]

RESULT = Answer(200, [(b"content-type", b"application/json")], b'{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}')
"""What a server answers that has let somebody in."""


@dataclass(frozen=True, slots=True)
class Mutant(Planted):
    """A planted bug of a resource server.

    Args:
        wrap: Puts it in front of the reference server.
        revision: The revision to judge by.
        host: The name the server is called by.
        retarget: What the suite is told about the target.
    """

    wrap: Wrapper
    revision: str = LATEST
    host: str = "localhost"
    retarget: Callable[[Target], Target] = lambda target: target


MUTANTS: list[Mutant] = []


def mutant(
    check: str,
    *,
    also: tuple[str, ...] = (),
    revision: str = LATEST,
    host: str = "localhost",
    retarget: Callable[[Target], Target] = lambda target: target,
) -> Callable[[Behaviour], Behaviour]:
    """Make a function a planted bug."""

    def register(behaviour: Behaviour) -> Behaviour:
        bug = (behaviour.__doc__ or "").strip()
        MUTANTS.append(
            Mutant(behaviour.__name__, bug, check, frozenset(also), around(behaviour), revision, host, retarget)
        )
        return behaviour

    return register


def around(behaviour: Behaviour) -> Wrapper:
    """The behaviour as ASGI middleware."""

    def wrap(app: ASGIApp, lab: Lab) -> ASGIApp:
        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            seen = await _seen(scope, receive)
            answer = await behaviour(seen, lambda changed: _forward(app, scope, changed), lab)
            headers = [*(pair for pair in answer.headers if pair[0] != b"content-length")]
            headers.append((b"content-length", str(len(answer.body)).encode()))
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await send({"type": "http.response.body", "body": answer.body})

        return wrapped

    return wrap


async def _seen(scope: Scope, receive: Receive) -> Seen:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return Seen(scope["method"], scope["path"], scope["query_string"], list(scope["headers"]), bytes(body))


async def _forward(app: ASGIApp, scope: Scope, seen: Seen) -> Answer:
    start: Message = {}
    body = bytearray()
    pending: list[Message] = [{"type": "http.request", "body": seen.body, "more_body": False}]

    async def receive() -> Message:
        return pending.pop() if pending else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            body.extend(message.get("body", b""))

    changed = {**scope, "method": seen.method, "path": seen.path, "raw_path": seen.path.encode()}
    length = [(key, value) for key, value in seen.headers if key != b"content-length"]
    length.append((b"content-length", str(len(seen.body)).encode()))
    await app({**changed, "query_string": seen.query, "headers": length}, receive, send)
    return Answer(start["status"], list(start["headers"]), bytes(body))


def drop_parameter(challenge: bytes, name: bytes) -> bytes:
    """A Bearer challenge without one of its parameters."""
    scheme, _, rest = challenge.partition(b" ")
    kept = [part for part in rest.split(b", ") if not part.startswith(name + b"=")]
    return scheme + (b" " + b", ".join(kept) if kept else b"")


Claims = dict[str, Any]
Fix = Callable[[Claims, Claims], object]


def forgive(
    seen: Seen, lab: Lab, fix: Fix, *, key: RSAKey | None = None, algorithms: tuple[str, ...] = ("RS256",)
) -> Seen:
    """The request as a server sees it that leaves a rule out: a token with good signature is put right, signed anew.

    Args:
        seen: The request.
        lab: Holds the issuer's key.
        fix: Puts claims and header right, in place.
        key: The key that the signature is checked with; the issuer's by default.
        algorithms: Which signatures count as good.
    """
    parts = peek(seen.token)
    if parts is None or not signed(seen.token or "", key or lab.issuer.key, algorithms):
        return seen
    header, claims = parts
    fix(claims, header)
    return seen.with_token(lab.issuer.sign(header, claims))


def peek(token: str | None) -> tuple[Claims, Claims] | None:
    """Header and claims of a token, unverified."""
    with suppress(ValueError, TypeError):
        head, payload, _ = (token or "").split(".")
        header, claims = json.loads(decode(head)), json.loads(decode(payload))
        if isinstance(header, dict) and isinstance(claims, dict):
            return cast("Claims", header), cast("Claims", claims)
    return None


def signed(token: str, key: RSAKey, algorithms: tuple[str, ...] = ("RS256",)) -> bool:
    """Whether the signature is good, whatever else the header says."""
    found = peek(token)
    return found is not None and found[0].get("alg") in algorithms and verifies(token, key, str(found[0]["alg"]))
