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
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from conformance.mutants.plant import Answer, Forward, Seen, peek
from mcp_demo.lab.sight import Asked, Reply, Server, asked, json_object, reply, unreply
from mcp_demo.oauth.challenge import build_bearer, parse

__all__ = [
    "Asked", "Hands", "Kind", "Mishap", "Reply", "Server",
    "answer", "challenge", "document", "request", "rule", "token",
]  # fmt: skip

Repair = Callable[..., Any]
Apply = Callable[[Seen, Forward, "Server", "Hands"], Awaitable[Answer]]
_JSON = (b"content-type", b"application/json")
_NO_STORE = (b"cache-control", b"no-store")
_HTML = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    _NO_STORE,
]


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
        members = json_object(answer.body)
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
        made: Reply = hands.call(Reply, answer=reply(found), request=asked(seen, server), server=server)
        return unreply(made)

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


def _at(seen: Seen, paths: tuple[str, ...]) -> bool:
    return not paths or any(seen.path == path or seen.path.startswith(f"{path}/") for path in paths)


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
