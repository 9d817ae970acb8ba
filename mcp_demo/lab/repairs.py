"""How a learner's few lines get in front of a planted bug: one way for each kind of thing they can put right.

A repair is an ordinary function. It names what it wants to see as its parameters:

| Kind | may ask for | returns |
|---|---|---|
| `challenge()` | parameters, status, request, server | the parameters of `WWW-Authenticate: Bearer` |
| `document(path)` | document, request, server | the JSON document |
| `token()` | header, claims, request, server | True to let it pass, False or a word of why not |
| `answer(paths…)` | answer, request, server | the answer: its status, headers, body |
| `request(paths…)` | request, server | None to let it pass, or the OAuth error it deserves |
| `rule(path)` | what the rule that it replaces is given | what that rule returns |
"""

import inspect
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

from conformance.mutants.plant import Answer, Forward, Seen, peek
from mcp_demo.oauth.challenge import build_bearer, parse

Repair = Callable[..., Any]
Apply = Callable[[Seen, Forward, "Server", "Hands"], Awaitable[Answer]]
_JSON = (b"content-type", b"application/json")
_NO_STORE = (b"cache-control", b"no-store")
_HTML = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    _NO_STORE,
]


@dataclass(frozen=True, slots=True)
class Server:
    """What the broken server knows about itself.

    Attributes:
        resource: The URL of the MCP server, its name in tokens.
        issuer: Who makes the tokens: for the MCP server the issuer it trusts, for the authorization server itself.
        metadata: Where its metadata is.
        scopes: All scopes, the least first.
        memory: Anything to remember between requests.
        clients: The registered clients by their id.
    """

    resource: str
    issuer: str
    metadata: str
    scopes: tuple[str, ...]
    memory: dict[str, Any]
    clients: Callable[[str], dict[str, Any] | None] = field(default=lambda client_id: None, repr=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """The request, as a repair sees it.

    Attributes:
        method: GET, POST, …
        path: Without the host.
        parameters: Those of the query and of the form.
        document: The JSON body, if it is an object.
        headers: By their names in lower case.
        has_token: Whether a bearer token came with it.
        client: The registered client it speaks for, if there is one.
    """

    method: str
    path: str
    parameters: dict[str, str]
    document: dict[str, Any]
    headers: dict[str, str]
    has_token: bool
    client: dict[str, Any] | None


@dataclass
class Reply:
    """The answer, as a repair may change it. Several `set-cookie` are lines of one value."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON body."""
        return json.loads(self.body)

    @document.setter
    def document(self, members: dict[str, Any]) -> None:
        self.body = json.dumps(members)


class Mishap(Exception):
    """The repair cannot be used as it is; says why, to the learner."""


@dataclass
class Hands:
    """Calls the learner's function, and remembers what went wrong."""

    repair: Repair
    mishaps: list[str] = field(default_factory=list[str])
    calls: int = 0

    def call(self, wanted: type[Any] | tuple[type[Any], ...] | None, **given: Any) -> Any:
        """The result of the repair.

        Args:
            wanted: What it may return.
            given: What it may ask for.

        Raises:
            Mishap: It failed, or returned something else.
        """
        asked = list(inspect.signature(self.repair).parameters)
        if unknown := [name for name in asked if name not in given]:
            raise self.mishap(f"it asks for {', '.join(unknown)}; it can have {', '.join(given)}")
        self.calls += 1
        try:
            made = self.repair(**{name: given[name] for name in asked})
        except Exception as error:  # whatever a learner writes, the notebook goes on
            raise self.mishap(f"it stopped with {type(error).__name__}: {error}") from error
        if wanted is not None and not isinstance(made, wanted):
            kinds = wanted if isinstance(wanted, tuple) else (wanted,)
            names = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
            raise self.mishap(
                f"it returned {'nothing' if made is None else repr(made)[:60]}, where {names} was expected"
            )
        return made

    def mishap(self, words: str) -> Mishap:
        """Remember what went wrong, in words that follow “Your function ran, but”."""
        if words not in self.mishaps:
            self.mishaps.append(words)
        return Mishap(words)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a repair works on.

    Args:
        apply: Lets it act on a request and its answer.
        replaces: The path of the function it stands for, if it is a rule rather than something in front.
    """

    apply: Apply | None = None
    replaces: str = ""


def challenge() -> Kind:
    """The parameters of the Bearer challenge of a 401 or 403."""

    async def apply(seen: Seen, forward: Forward, server: Server, hands: Hands) -> Answer:
        answer = await forward(seen)
        if answer.status not in (401, 403):
            return answer
        found = parse([(answer.header(b"www-authenticate") or b"").decode("latin-1")])
        before = dict(found[0].parameters) if found else {}
        after = hands.call(
            dict, parameters=dict(before), status=answer.status, request=asked(seen, server), server=server
        )
        if after == before:
            return answer
        try:
            value = build_bearer(after)
        except (ValueError, TypeError, AttributeError) as error:
            raise hands.mishap(f"no challenge can be made of {after!r}: {error}") from error
        return answer.with_header(b"www-authenticate", value.encode())

    return Kind(apply)


def document(path: str = "/.well-known/") -> Kind:
    """A JSON document in a successful answer, at paths that begin like this."""

    async def apply(seen: Seen, forward: Forward, server: Server, hands: Hands) -> Answer:
        answer = await forward(seen)
        members = _object(answer.body)
        if not seen.path.startswith(path) or answer.status not in (200, 201) or members is None:
            return answer
        made = hands.call(dict, document=members, request=asked(seen, server), server=server)
        return replace(answer, body=json.dumps(made).encode())

    return Kind(apply)


def token() -> Kind:
    """Header and claims of a bearer token, its signature aside. What is refused gets the server's own 401."""

    async def apply(seen: Seen, forward: Forward, server: Server, hands: Hands) -> Answer:
        found = peek(seen.token)
        if found is None:
            return await forward(seen)
        header, claims = found
        good = hands.call((bool, str), header=header, claims=claims, request=asked(seen, server), server=server)
        return await forward(seen if good is True else seen.with_token("refused"))

    return Kind(apply)


def answer(*paths: str) -> Kind:
    """The whole answer, at these paths or everywhere."""

    async def apply(seen: Seen, forward: Forward, server: Server, hands: Hands) -> Answer:
        found = await forward(seen)
        if not _at(seen, paths):
            return found
        made: Reply = hands.call(Reply, answer=_reply(found), request=asked(seen, server), server=server)
        return _unreply(made)

    return Kind(apply)


def request(*paths: str) -> Kind:
    """A request to the authorization server at these paths, before it gets there."""

    async def apply(seen: Seen, forward: Forward, server: Server, hands: Hands) -> Answer:
        if not _at(seen, paths) or seen.method == "OPTIONS":
            return await forward(seen)
        about = asked(seen, server)
        error = hands.call((str, type(None)), request=about, server=server)
        return await forward(seen) if error is None else _refuse(error, about, server)

    return Kind(apply)


def rule(path: str) -> Kind:
    """One rule of the reference, which the repair replaces; called with what the rule is called with."""
    return Kind(replaces=path)


def asked(seen: Seen, server: Server) -> Asked:
    """The request as a repair sees it."""
    form = (seen.header(b"content-type") or b"").startswith(b"application/x-www-form-urlencoded")
    body = parse_qsl(seen.body.decode("latin-1"), keep_blank_values=True) if form else []
    parameters = dict([*parse_qsl(seen.query.decode("latin-1"), keep_blank_values=True), *body])
    headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in seen.headers}
    client = server.clients(parameters.get("client_id", ""))
    return Asked(seen.method, seen.path, parameters, _object(seen.body) or {}, headers, seen.token is not None, client)


def _at(seen: Seen, paths: tuple[str, ...]) -> bool:
    return not paths or any(seen.path == path or seen.path.startswith(f"{path}/") for path in paths)


def _object(body: bytes) -> dict[str, Any] | None:
    with suppress(ValueError):
        found: Any = json.loads(body)
        if isinstance(found, dict):
            return cast("dict[str, Any]", found)
    return None


def _reply(found: Answer) -> Reply:
    headers = dict[str, str]()
    for key, value in found.headers:
        name, text = key.decode("latin-1"), value.decode("latin-1")
        between = "\n" if name == "set-cookie" else ", "
        headers[name] = f"{headers[name]}{between}{text}" if name in headers else text
    return Reply(found.status, headers, found.body.decode("utf-8", "replace"))


def _unreply(made: Reply) -> Answer:
    pairs = [
        (name.lower().encode("latin-1"), line.encode("latin-1"))
        for name, value in made.headers.items()
        for line in (value.split("\n") if name.lower() == "set-cookie" else [value])
    ]
    return Answer(made.status, pairs, made.body.encode())


def _refuse(error: str, about: Asked, server: Server) -> Answer:
    """How an authorization server refuses: by redirect where it knows that the address is the client's, else itself."""
    if about.path == "/authorize":
        uri = about.parameters.get("redirect_uri", "")
        known = (about.client or {}).get("redirect_uris", ())
        if uri not in known or error in ("invalid_client", "invalid_redirect_uri"):
            return Answer(400, list(_HTML), b"<!doctype html><title>Refused</title><p>This request cannot go on.</p>")
        state = {"state": about.parameters["state"]} if "state" in about.parameters else {}
        back = urlencode({"error": error, **state, "iss": server.issuer})
        return Answer(302, [(b"location", f"{uri}?{back}".encode()), _NO_STORE])
    if about.path == "/consent":
        return Answer(403, list(_HTML), b"<!doctype html><title>Refused</title><p>This form is not ours.</p>")
    status = 401 if error in ("invalid_client", "invalid_token") else 400
    challenged = [(b"www-authenticate", b'Basic realm="token"')] if error == "invalid_client" else []
    body = json.dumps({"error": error, "error_description": "Refused by the repair."}).encode()
    cors = (b"access-control-allow-origin", b"*")
    return Answer(status, [_JSON, _NO_STORE, (b"pragma", b"no-cache"), cors, *challenged], body)
