"""Every answer the authorization layer gives by itself, its bytes built once at start (RFC 6750 §3, RFC 9728 §5.1)."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from starlette.types import Send

from mcp_demo.oauth import challenge, resource_metadata
from mcp_demo.oauth import scopes as scope_rules
from mcp_demo.oauth.unverified_token import REASONS, Reason
from mcp_demo.server.operations import Operations


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP response."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""

    async def send(self, send: Send, *, head: bool = False) -> None:
        """Send it; for a HEAD request without its body (RFC 9110 §9.3.2)."""
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": b"" if head else self.body})


def json_answer(status: int, content: Mapping[str, object], headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """An answer with a JSON body."""
    body = json.dumps(content, separators=(",", ":")).encode()
    fields = {"content-type": "application/json", "content-length": str(len(body)), **dict(headers)}
    return Answer(status, tuple((name.encode(), value.encode()) for name, value in fields.items()), body)


def error(status: int, code: str, description: str, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """A refusal in the form that OAuth uses for errors (RFC 6749 §5.2)."""
    content = {"error": code, "error_description": description}
    return json_answer(status, content, (("cache-control", "no-store"), *headers))


NOT_FOUND = error(404, "not_found", "There is nothing at this address.")
METHOD_NOT_ALLOWED = error(405, "method_not_allowed", "The MCP endpoint takes POST only.", [("allow", "POST")])
TOO_LARGE = error(413, "too_large", "The body of the request is too large.")
KEYS_UNAVAILABLE = error(
    503,
    "temporarily_unavailable",
    "The keys to verify the access token with cannot be fetched now. The token may be good: keep it and try again.",
    [("retry-after", "10")],
)


class Challenges:
    """The answers that carry `WWW-Authenticate`: 401, 400 and 403.

    Each has exactly one Bearer challenge, with `resource_metadata` and the scopes to ask for, built from the settings
    alone: nothing of the request, not even its Host, is repeated in it.

    Args:
        resource: The canonical URI of the server.
        operations: Its scopes.
    """

    def __init__(self, resource: str, operations: Operations) -> None:
        self._metadata = resource_metadata.well_known_url(resource)
        self._basic = scope_rules.join(operations.basic)
        self.no_credentials = self._build(401, {}, "unauthorized", "Send an access token in the Authorization header.")
        self._rejected = {
            reason: self._build(
                401, {"error": "invalid_token", "error_description": words}, "invalid_token", words, self._basic
            )
            for reason, words in REASONS.items()
        }
        self._insufficient = {
            group: self._insufficient_scope(group)
            for size in range(1, len(operations.all) + 1)
            for group in combinations(operations.all, size)
        }

    def rejected(self, reason: Reason) -> Answer:
        """401: the token is not acceptable (RFC 6750 §3.1 invalid_token)."""
        return self._rejected[reason]

    def invalid_request(self, description: str) -> Answer:
        """400: the request does not carry its token as it should (RFC 6750 §3.1 invalid_request)."""
        parameters = {"error": "invalid_request", "error_description": description}
        return self._build(400, parameters, "invalid_request", description)

    def insufficient_scope(self, scopes: tuple[str, ...]) -> Answer:
        """403: the operation needs these scopes (MCP Authorization › Runtime Insufficient Scope Errors)."""
        return self._insufficient[scopes]

    def _insufficient_scope(self, scopes: tuple[str, ...]) -> Answer:
        words = "The access token does not cover this operation."
        parameters = {"error": "insufficient_scope", "error_description": words}
        return self._build(403, parameters, "insufficient_scope", words, scope_rules.join(scopes))

    def _build(
        self, status: int, parameters: Mapping[str, str], code: str, words: str, scope: str | None = None
    ) -> Answer:
        value = challenge.build_bearer(
            {**parameters, "resource_metadata": self._metadata, "scope": scope or self._basic}
        )
        return error(status, code, words, [("www-authenticate", value)])
