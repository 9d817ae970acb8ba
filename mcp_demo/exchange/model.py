"""An HTTP exchange as data: what the client engine yields, the flow panel draws, and reports quote."""

from collections.abc import Iterable
from dataclasses import dataclass

Headers = tuple[tuple[str, str], ...]


def header_values(headers: Iterable[tuple[str, str]], name: str) -> tuple[str, ...]:
    """All values of a header field, its name matched without regard to case."""
    wanted = name.lower()
    return tuple(value for key, value in headers if key.lower() == wanted)


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request that may still have to be sent."""

    method: str
    url: str
    headers: Headers = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first value of a header field."""
        return next(iter(header_values(self.headers, name)), None)


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response, its body read."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first value of a header field."""
        return next(iter(header_values(self.headers, name)), None)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One hop: who asked whom for what, why, what came back, and which section of which document says so.

    Args:
        name: Title in plain words, e.g. "Request without a token".
        why: One or two sentences for a reader who sees it for the first time.
        spec: Where it is written, e.g. "RFC 9728 §3.1" (see `mcp_demo.exchange.spec`).
        sender: Role that sends, e.g. "client", "browser", "bridge".
        receiver: Role that answers, e.g. "MCP server", "user-pool domain".
        request: What was sent.
        response: What came back; None for a hop of which only the request is known.
        phase: discovery, registration, authorization, token, or access.
        started: When it was sent, in seconds since the epoch; 0 if unknown.
        seconds: How long it took.
    """

    name: str
    why: str
    spec: str
    sender: str
    receiver: str
    request: Request
    response: Response | None = None
    phase: str = "access"
    started: float = 0.0
    seconds: float = 0.0

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """How a notebook draws it: as its card, redacted."""
        from mcp_demo.exchange.card import to_mimebundle  # the card needs this module; import-time would be a circle

        return to_mimebundle(self)
