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
from mcp_demo.exchange.model import Exchange, Headers, Request, Response
from mcp_demo.exchange.redact import redact

PHASES = ("discovery", "registration", "authorization", "token", "access")
_TAUGHT = frozenset({"authorization", "www-authenticate", "location", "mcp-protocol-version", "cache-control"})
_TELLING = frozenset({"authorization", "www-authenticate", "location"})
_SHOWN = _TAUGHT | {"content-type", "mcp-method", "mcp-name", "origin", "accept"}
_BODY_LIMIT = 4000

_RULES: dict[str, str] = {
    "x-card": "color-scheme:light dark;font:14px/1.5 system-ui,sans-serif;color:light-dark(#1b1f24,#e6e8eb);"
    "background:light-dark(#ffffff,#1a1d23);border:1px solid light-dark(#d5d9e0,#363b45);border-radius:10px;"
    "padding:14px 16px;margin:0 0 12px;max-width:900px;overflow-wrap:anywhere;text-align:left",
    "x-head": "display:flex;flex-wrap:wrap;gap:6px 10px;align-items:center",
    "x-number": "display:inline-block;min-width:22px;height:22px;line-height:22px;border-radius:11px;text-align:center;"
    "font-size:12px;font-weight:700;background:light-dark(#1b1f24,#e6e8eb);color:light-dark(#ffffff,#1a1d23)",
    "x-name": "font-weight:650;font-size:15px;flex:1 1 auto",
    "x-phase": "font-size:11px;font-weight:650;letter-spacing:.04em;text-transform:uppercase;border-radius:9px;"
    "padding:1px 9px",
    "x-discovery": "background:light-dark(#e0ecff,#1d3557);color:light-dark(#123c7c,#b9d4ff)",
    "x-registration": "background:light-dark(#efe5ff,#3a2a5c);color:light-dark(#4c2889,#d9c7ff)",
    "x-authorization": "background:light-dark(#fff0cf,#4d3a0e);color:light-dark(#6a4600,#ffdf94)",
    "x-token": "background:light-dark(#dff5e3,#173d24);color:light-dark(#0f5323,#aee9bf)",
    "x-access": "background:light-dark(#e6e9ee,#343a45);color:light-dark(#333b47,#d5dae3)",
    "x-who": "font-size:12.5px;color:light-dark(#57606a,#a3acb9);margin:2px 0 0",
    "x-why": "margin:6px 0 10px",
    "x-line": "font:600 13px/1.5 ui-monospace,monospace;margin:10px 0 2px",
    "x-good": "color:light-dark(#0f6b2b,#7fdc99)",
    "x-bad": "color:light-dark(#a3211b,#ff9c94)",
    "x-part": "font-size:11.5px;color:light-dark(#57606a,#a3acb9);margin:6px 0 1px",
    "x-table": "color:inherit;border-collapse:collapse;table-layout:auto;width:100%;margin:0;"
    "font:12.5px/1.5 ui-monospace,monospace",
    "x-key": "border:0;font-size:inherit;text-align:left;vertical-align:top;font-weight:500;padding:1px 12px 1px 0;"
    "white-space:nowrap;width:1%;"
    "color:light-dark(#57606a,#a3acb9)",
    # A notebook's own sheet stripes table rows and colours cells, for its theme and not for ours.
    "x-row": "background:none;color:inherit",
    "x-value": "color:inherit;border:0;text-align:left;vertical-align:top;padding:1px 0;overflow-wrap:anywhere;"
    "white-space:pre-wrap",
    "x-mark": "color:inherit;border:0;text-align:left;vertical-align:top;padding:1px 0 1px 7px;overflow-wrap:anywhere;"
    "white-space:pre-wrap;border-left:3px solid light-dark(#c98a00,#e3b341)",
    "x-body": "color:inherit;margin:0;padding:8px 10px;border-radius:6px;font:12.5px/1.5 ui-monospace,monospace;"
    "white-space:pre-wrap;overflow-wrap:anywhere;max-height:340px;overflow:auto;background:light-dark(#f4f6f8,#12141a)",
    "x-fold": "margin:10px 0 0;font-size:12.5px",
    "x-sum": "cursor:pointer;color:light-dark(#57606a,#a3acb9)",
    "x-mono": "font-family:ui-monospace,monospace",
    "x-link": "font-size:12.5px;color:light-dark(#0b57b8,#8ab8ff)",
}
STYLE = "\n".join(f".{name}{{{rules}}}" for name, rules in _RULES.items())
"""The style sheet for cards drawn with `inline=False`."""


class _Pen:
    def __init__(self, inline: bool) -> None:
        self._inline = inline

    def __call__(self, tag: str, names: str, content: str, attributes: str = "") -> str:
        if self._inline:
            style = escape(";".join(_RULES[name] for name in names.split()))
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
    return "\n".join(lines)


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
