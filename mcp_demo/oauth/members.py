"""Reading members of a JSON object whose author we do not trust. None, "" and [] count as absent."""

from collections.abc import Mapping
from typing import Any, cast

_Refusal = type[Exception]


def json_object(document: object, what: str, refusal: _Refusal) -> Mapping[str, Any]:
    """A parsed JSON document as an object.

    Raises:
        refusal: It is something else.
    """
    if not isinstance(document, Mapping):
        raise refusal(f"The {what} is not a JSON object.")
    return cast("Mapping[str, Any]", document)


def text(members: Mapping[str, Any], name: str, refusal: _Refusal) -> str | None:
    """A string member, or None where there is none.

    Raises:
        refusal: It is no string, or one that cannot be written as UTF-8.
    """
    value = members.get(name)
    if value is None or value == "":
        return None
    if not _is_text(value):
        raise refusal(f"`{name}` is not a string.")
    return cast("str", value)


def texts(members: Mapping[str, Any], name: str, refusal: _Refusal) -> tuple[str, ...]:
    """A member that is an array of strings, or () where there is none.

    Raises:
        refusal: It is no array, or an item is no string, empty, or cannot be written as UTF-8.
    """
    value = members.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(_is_text(item) for item in cast("list[Any]", value)):
        raise refusal(f"`{name}` is not an array of strings.")
    return tuple(cast("list[str]", value))


def _is_text(value: object) -> bool:
    """JSON can escape half a surrogate pair; such a string would fail wherever it is written down."""
    return isinstance(value, str) and value != "" and not any("\ud800" <= character <= "\udfff" for character in value)
