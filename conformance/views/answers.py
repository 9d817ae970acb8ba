"""Reading answers: what checks of every role ask of a recorded exchange."""

import json
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

from conformance import mcp_message
from mcp_demo.exchange.model import Exchange, Response, header_values
from mcp_demo.oauth import challenge
from mcp_demo.oauth.challenge import Challenge
from mcp_demo.oauth.resource import is_uri


def response(exchange: Exchange) -> Response:
    """The response, which an exchange of a session always has."""
    assert exchange.response is not None  # noqa: S101 - `Session.send` raises otherwise
    return exchange.response


def status(exchange: Exchange) -> int:
    """The status code."""
    return response(exchange).status


def fields(exchange: Exchange, name: str) -> tuple[str, ...]:
    """All values of a response header."""
    return header_values(response(exchange).headers, name)


def bearer(exchange: Exchange) -> Challenge | None:
    """The Bearer challenge of a response."""
    return challenge.parse_bearer(fields(exchange, "www-authenticate"))


def succeeded(exchange: Exchange) -> bool:
    """Whether a JSON-RPC request was carried out: 2xx with a result."""
    return 200 <= status(exchange) < 300 and mcp_message.result(response(exchange).body) is not None


def http_url(value: object) -> SplitResult | None:
    """The parts of an absolute http(s) URL, or None for whatever else a target may have put there."""
    if not isinstance(value, str) or not is_uri(value):
        return None
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("https", "http") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def json_body(exchange: Exchange) -> Any:
    """The parsed body, or None."""
    try:
        return json.loads(response(exchange).body)
    except (ValueError, RecursionError):
        return None


def members(exchange: Exchange) -> dict[str, Any] | None:
    """The JSON object that a successful response carries, or None; one without members says nothing."""
    found = json_body(exchange) if status(exchange) == 200 else None
    return cast("dict[str, Any]", found) if isinstance(found, dict) and found else None


def media_type(exchange: Exchange) -> str:
    """The media type without parameters, in lower case."""
    return (response(exchange).header("content-type") or "").partition(";")[0].strip().lower()


def shown(exchange: Exchange) -> str:
    """An answer in a few words, for a finding."""
    result = mcp_message.result(response(exchange).body)
    if result is not None:
        return f"{status(exchange)} with a result"
    found = bearer(exchange)
    code = found.parameters.get("error") if found else None
    return f"{status(exchange)} {code}" if code else str(status(exchange))
