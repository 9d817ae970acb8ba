"""Exchanges as JSON, for handing them from one part to another: the bridge's trace, the run log, the reports."""

from collections.abc import Iterable

from pydantic import TypeAdapter, ValidationError

from mcp_demo.exchange.model import Exchange
from mcp_demo.exchange.redact import redact

_EXCHANGES = TypeAdapter(tuple[Exchange, ...])


def to_json(exchanges: Iterable[Exchange]) -> bytes:
    """A JSON array of exchanges. They are redacted here, so that no caller can forget it."""
    return _EXCHANGES.dump_json(tuple(map(redact, exchanges)))


def from_json(document: bytes) -> tuple[Exchange, ...]:
    """The exchanges of a JSON array, redacted again: the sender may be somebody else.

    Raises:
        ValueError: The document is not an array of exchanges.
    """
    try:
        return tuple(map(redact, _EXCHANGES.validate_json(document)))
    except ValidationError as error:
        raise ValueError("The document is not an array of exchanges.") from error
