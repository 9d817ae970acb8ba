"""From the sources of a requirement to addresses of documents."""

import re
from collections.abc import Iterable

from mcp_demo.exchange import spec

_SPLIT = re.compile(r"\s*;\s*")
_NUMBERED = re.compile(r"(RFC \d+|OAuth 2\.1|CIMD)(?: draft-\d+)?(?: (§[\d.]+))?")


def parts(source: str) -> list[tuple[str, str | None]]:
    """The places a source names, each with its address if it is known."""
    return [(place, _link(place)) for place in _SPLIT.split(source) if place]


def first_link(sources: Iterable[str]) -> str | None:
    """The first address in some sources."""
    return next((link for source in sources for _, link in parts(source) if link), None)


def _link(place: str) -> str | None:
    found = _NUMBERED.match(place)
    tag = " ".join(filter(None, (found[1], (found[2] or "").rstrip(".")))) if found else place.partition(" (")[0]
    try:
        return spec.url(tag)
    except KeyError:
        return None
