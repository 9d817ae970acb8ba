"""An exchange drawn as a card: HTML for the flow panel and notebooks, text for terminals and logs.

The HTML needs no script and no remote asset. In a notebook each element carries its style; on our own
pages, whose Content Security Policy refuses style attributes, it carries class names, and `STYLE` goes into the sheet.
Every card is redacted first: there is no way to draw a secret.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from html import escape
from urllib.parse import unquote_plus

from mcp_demo.exchange import spec
from mcp_demo.exchange.card_style import NOTEBOOK, STYLE
from mcp_demo.exchange.model import Exchange, Headers, Request, Response
from mcp_demo.exchange.redact import redact

__all__ = ["PHASES", "STYLE", "to_html", "to_mimebundle", "to_text"]

PHASES = ("discovery", "registration", "authorization", "token", "access")
_TAUGHT = frozenset({"authorization", "www-authenticate", "location", "mcp-protocol-version", "cache-control"})
_TELLING = frozenset({"authorization", "www-authenticate", "location"})
_SHOWN = _TAUGHT | {"content-type", "mcp-method", "mcp-name", "origin", "accept"}
_BODY_LIMIT = 4000


class _Pen:
    def __init__(self, inline: bool) -> None:
        self._inline = inline

    def __call__(self, tag: str, names: str, content: str, attributes: str = "") -> str:
        if self._inline:
            style = escape(";".join(NOTEBOOK[name] for name in names.split()))
            return f'<{tag} style="{style}"{attributes}>{content}</{tag}>'
        return f'<{tag} class="{names}"{attributes}>{content}</{tag}>'


def to_html(exchange: Exchange, number: int | None = None, *, inline: bool = True, folded: bool = False) -> str:
    """The card as HTML.

    Args:
        exchange: What to draw; it is redacted here.
        number: Its place in the flow.
        inline: Whether elements carry their style (notebooks) or class names for `STYLE` (our own pages).
        folded: Whether to show the story only, request and response being one click away.
    """
    shown, pen = redact(exchange), _Pen(inline)
    phase = shown.phase if shown.phase in PHASES else "access"
    head = "".join(
        (
            pen("span", "x-number", str(number)) if number is not None else "",
            pen("span", "x-name", escape(shown.name)),
            pen("span", f"x-phase x-{phase}", escape(phase)),
        )
    )
    parts = (
        pen("div", "x-head", head),
        pen("p", "x-who", f"{escape(shown.sender)} → {escape(shown.receiver)}{_took(shown)}"),
        pen("p", "x-why", f"{escape(shown.why)} {_spec_link(shown.spec, pen)}"),
        _folded(shown, pen) if folded else _messages(shown, pen),
    )
    return pen("article", "x-card", "".join(parts), f' aria-label="{escape(shown.name)}"')


def to_text(exchange: Exchange, number: int | None = None) -> str:
    """The card as plain text."""
    shown = redact(exchange)
    request, response = shown.request, shown.response
    title = f"{number}. {shown.name}" if number is not None else shown.name
    lines = [title, f"   {shown.sender} → {shown.receiver} · {shown.phase} · {shown.spec}", f"   {shown.why}", ""]
    lines += [f"   → {request.method} {_base(request.url)}"]
    lines += [f"     {label} {key}: {value}" for label, key, value in _parameters(request.url)]
    lines += _text_part(request)
    if response is not None:
        lines += [f"   ← {response.status}", *_text_part(response)]
    return "\n".join(_one_line(line) for line in lines)


def _one_line(text: str) -> str:
    """Without line ends and control characters: a value (`%0A`) begins no line of a log and moves no cursor."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def to_mimebundle(exchange: Exchange, number: int | None = None) -> dict[str, str]:
    """Both forms, as a notebook's display protocol asks for them."""
    return {"text/html": to_html(exchange, number), "text/plain": to_text(exchange, number)}


def _messages(exchange: Exchange, pen: _Pen) -> str:
    return _request(exchange.request, pen) + _response(exchange.response, pen) + _fold(exchange, pen)


def _folded(exchange: Exchange, pen: _Pen) -> str:
    response = exchange.response
    answer = f" → {response.status}" if response else ""
    summary = f"{escape(exchange.request.method)} {escape(_base(exchange.request.url))}{answer}"
    taught = _table(_telling(exchange), pen, _TELLING)
    return taught + pen("details", "x-fold", pen("summary", "x-sum x-mono", summary) + _messages(exchange, pen))


def _telling(exchange: Exchange) -> list[tuple[str, str]]:
    """The headers that carry the hop's meaning, which even a folded card shows."""
    response = exchange.response
    headers = exchange.request.headers + (response.headers if response else ())
    return [(key.lower(), value) for key, value in headers if key.lower() in _TELLING]


def _took(exchange: Exchange) -> str:
    return f" · {exchange.seconds * 1000:.0f} ms" if exchange.seconds else ""


def _spec_link(tag: str, pen: _Pen) -> str:
    try:
        target = spec.url(tag)
    except KeyError:
        return escape(tag)
    return pen("a", "x-link", escape(tag), f' href="{escape(target)}" target="_blank" rel="noopener noreferrer"')


def _base(url: str) -> str:
    return url.partition("#")[0].partition("?")[0]


def _parameters(url: str) -> list[tuple[str, str, str]]:
    rest, _, fragment = url.partition("#")
    parts = (("query", rest.partition("?")[2]), ("fragment", fragment))
    return [(label, key, value) for label, encoded in parts for key, value in _decode(encoded)]


def _decode(encoded: str) -> list[tuple[str, str]]:
    # Not parse_qsl: what the redactor left may hold characters that a strict reader would split on.
    pairs = (pair.partition("=") for pair in encoded.split("&") if pair)
    return [(unquote_plus(key), unquote_plus(value)) for key, _, value in pairs]


def _request(request: Request, pen: _Pen) -> str:
    line = pen("div", "x-line", f"{escape(request.method)} {escape(_base(request.url))}")
    parameters = _parameters(request.url)
    tables = [
        pen("div", "x-part", label) + _table([(key, value) for part, key, value in parameters if part == label], pen)
        for label in ("query", "fragment")
        if any(part == label for part, _, _ in parameters)
    ]
    return line + "".join(tables) + _headers(request.headers, pen) + _body(request, pen)


def _response(response: Response | None, pen: _Pen) -> str:
    if response is None:
        return ""
    mood, word = ("x-bad", "refused") if response.status >= 400 else ("x-good", "answered")
    line = pen("div", f"x-line {mood}", f"← {response.status} {word}")
    return line + _headers(response.headers, pen) + _body(response, pen)


def _headers(headers: Headers, pen: _Pen) -> str:
    return _table([(key.lower(), value) for key, value in headers if key.lower() in _SHOWN], pen, _TAUGHT)


def _table(pairs: Iterable[tuple[str, str]], pen: _Pen, marked: frozenset[str] = frozenset()) -> str:
    rows = "".join(
        pen(
            "tr",
            "x-row",
            pen("th", "x-key", escape(key), ' scope="row"')
            + pen("td", "x-mark" if key in marked else "x-value", escape(value)),
        )
        for key, value in pairs
    )
    return pen("table", "x-table", rows) if rows else ""


def _body(message: Request | Response, pen: _Pen) -> str:
    if not message.body:
        return ""
    label = pen("div", "x-part", "body")
    if (message.header("content-type") or "").startswith("application/x-www-form-urlencoded"):
        return label + _table(_decode(message.body.decode(errors="replace")), pen)
    return label + pen("pre", "x-body", escape(_pretty(message.body)), ' tabindex="0"')


def _pretty(body: bytes) -> str:
    text = body.decode(errors="replace")
    with suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return text if len(text) <= _BODY_LIMIT else f"{text[:_BODY_LIMIT]}\n… {len(text) - _BODY_LIMIT} characters more"


def _fold(exchange: Exchange, pen: _Pen) -> str:
    response = exchange.response
    groups = (("request", exchange.request.headers), ("response", response.headers if response else ()))
    tables = "".join(pen("div", "x-part", label) + _table(headers, pen) for label, headers in groups if headers)
    return pen("details", "x-fold", pen("summary", "x-sum", "All headers") + tables) if tables else ""


def _text_part(message: Request | Response) -> list[str]:
    lines = [f"     {key.lower()}: {value}" for key, value in message.headers if key.lower() in _SHOWN]
    if not message.body:
        return lines
    if (message.header("content-type") or "").startswith("application/x-www-form-urlencoded"):
        return lines + [f"     form {key}: {value}" for key, value in _decode(message.body.decode(errors="replace"))]
    return lines + [f"     {line}" for line in _pretty(message.body).splitlines()]
