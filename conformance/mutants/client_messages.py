"""What planted bugs of the client change in the messages that go by."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from mcp_demo.exchange.model import Request


def registers(**members: Any) -> Callable[[Request], Request]:
    """Changes members of registrations; None takes them out."""

    def change(request: Request) -> Request:
        if not request.url.endswith("/register"):
            return request
        asked = {**json.loads(request.body), **members}
        body = json.dumps({name: value for name, value in asked.items() if value is not None}).encode()
        return replace(request, body=body)

    return change


def with_query(url: str, **members: str | None) -> str:
    """A URL with parameters replaced, or with None taken out."""
    base, _, query = url.partition("?")
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name not in members]
    added = [(name, value) for name, value in members.items() if value is not None]
    return f"{base}?{urlencode([*kept, *added])}"


def query(url: str) -> Mapping[str, str]:
    """The parameters of a URL."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
