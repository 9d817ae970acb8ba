"""What a repair sees: the request, the answer, and what the broken server knows about itself."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qsl

from conformance.mutants.plant import Answer, Seen


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


def asked(seen: Seen, server: Server) -> Asked:
    """The request as a repair sees it."""
    form = (seen.header(b"content-type") or b"").startswith(b"application/x-www-form-urlencoded")
    body = parse_qsl(seen.body.decode("latin-1"), keep_blank_values=True) if form else []
    parameters = dict([*parse_qsl(seen.query.decode("latin-1"), keep_blank_values=True), *body])
    headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in seen.headers}
    client = server.clients(parameters.get("client_id", ""))
    return Asked(
        seen.method, seen.path, parameters, json_object(seen.body) or {}, headers, seen.token is not None, client
    )


def json_object(body: bytes) -> dict[str, Any] | None:
    """The members of a JSON object, if it is one."""
    with suppress(ValueError):
        found: Any = json.loads(body)
        if isinstance(found, dict):
            return cast("dict[str, Any]", found)
    return None


def reply(found: Answer) -> Reply:
    """An answer as a repair may change it."""
    headers = dict[str, str]()
    for key, value in found.headers:
        name, text = key.decode("latin-1"), value.decode("latin-1")
        between = "\n" if name == "set-cookie" else ", "
        headers[name] = f"{headers[name]}{between}{text}" if name in headers else text
    return Reply(found.status, headers, found.body.decode("utf-8", "replace"))


def unreply(made: Reply) -> Answer:
    """The changed answer as it is sent."""
    pairs = [
        (name.lower().encode("latin-1"), line.encode("latin-1"))
        for name, value in made.headers.items()
        for line in (value.split("\n") if name.lower() == "set-cookie" else [value])
    ]
    return Answer(made.status, pairs, made.body.encode())
