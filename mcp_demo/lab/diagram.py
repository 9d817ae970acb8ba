"""A flow as a sequence diagram: who asked whom, so far."""

from collections.abc import Sequence
from html import escape
from textwrap import shorten

from mcp_demo.exchange.card_style import FIELD, HUES, LINE, QUIET
from mcp_demo.exchange.model import Exchange
from mcp_demo.lab.box import box, element, fold
from mcp_demo.lab.display import Shown

_LANES = ("you", "client", "MCP server", "bridge", "user pool")
_CALLED = {
    "browser": "you",
    "person": "you",
    "server": "MCP server",
    "authorization server": "bridge",
    "user-pool domain": "user pool",
}
_GAP, _TOP, _STEP, _LEFT = 226, 52, 64, 80
_LETTER = 6.6
_PLAIN = {LINE: "#8a90a0", QUIET: "#57606a", FIELD: "#ffffff", "currentColor": "#1b1f24"}
"""What the theme's colours are in an image that has no theme."""


def diagram(exchanges: Sequence[Exchange], first: int = 1) -> Shown:
    """The exchanges as arrows between those who take part; the newest stands out.

    Args:
        exchanges: The hops, in their order.
        first: The number of the first one.
    """
    words = [_sentence(number, exchange) for number, exchange in enumerate(exchanges, first)]
    lanes = _lanes(exchanges)
    head = f"Sequence diagram, {len(words)} hop{'s' if len(words) != 1 else ''}"
    drawing = _draw(exchanges, lanes, first, f"{head}: {'; '.join(words)}" if words else head)
    scroll = element("div", "overflow-x:auto", drawing, ' tabindex="0"')
    items = "".join(element("li", "margin:2px 0", escape(line)) for line in words)
    html = box(head, scroll, fold("The same in words", element("ul", "list-style:none;margin:6px 0;padding:0", items)))
    return Shown(html, "\n".join((f"{head}: {' · '.join(lanes)}", *words)), _plain(drawing))


def _role(name: str) -> str:
    return _CALLED.get(name, name)


def _lanes(exchanges: Sequence[Exchange]) -> list[str]:
    """The usual four, you where you take part, and whoever else does."""
    met = [_role(name) for exchange in exchanges for name in (exchange.sender, exchange.receiver)]
    usual = [lane for lane in _LANES if lane in met or lane in ("client", "MCP server", "bridge")]
    return usual + [name for name in dict.fromkeys(met) if name not in usual]


def _sentence(number: int, exchange: Exchange) -> str:
    answer = f" → {exchange.response.status}" if exchange.response else ""
    return f"{number}. {_role(exchange.sender)} → {_role(exchange.receiver)}: {exchange.name}{answer}"


def _draw(exchanges: Sequence[Exchange], lanes: list[str], first: int, description: str) -> str:
    place = {lane: _LEFT + index * _GAP for index, lane in enumerate(lanes)}
    width, height = _LEFT * 2 + (len(lanes) - 1) * _GAP, _TOP + max(1, len(exchanges)) * _STEP + 14
    heads = "".join(_lane(lane, x, height) for lane, x in place.items())
    last = len(exchanges) - 1
    hops = "".join(
        _hop(exchange, place, _TOP + index * _STEP, first + index, newest=index == last)
        for index, exchange in enumerate(exchanges)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'style="max-width:none;display:block;color:inherit" font-family="system-ui,sans-serif" font-size="12" '
        f'text-anchor="middle"><title>{escape(description)}</title>{heads}{hops}</svg>'
    )


def _lane(lane: str, x: int, height: int) -> str:
    return (
        f'<path d="M{x} 34V{height}" style="stroke:{LINE}" stroke-width="1.500" stroke-dasharray="3 4" fill="none"/>'
        f'<rect x="{x - 62}" y="6" width="124" height="28" rx="8" style="fill:{FIELD};stroke:{LINE}"/>'
        f'<text x="{x}" y="25" font-weight="700" style="fill:currentColor">{escape(lane)}</text>'
    )


def _hop(exchange: Exchange, place: dict[str, int], y: int, number: int, *, newest: bool) -> str:
    start, end = place[_role(exchange.sender)], place[_role(exchange.receiver)]
    colour = HUES.get(exchange.phase, HUES["access"])
    stroke = "3.500" if newest else "1.800"
    away = 1 if end >= start else -1
    y += 24
    middle = (start + end) // 2 + away * 6
    label = shorten(exchange.name, int((abs(end - start) - 24) / _LETTER), placeholder="…")
    weight = ' font-weight="700"' if newest else ""
    parts = [
        f'<path d="M{start + away * 12} {y}H{end - away * 3}" style="stroke:{colour};stroke-width:{stroke}"/>',
        f'<path d="M{end - away * 11} {y - 5}L{end - away * 2} {y}L{end - away * 11} {y + 5}Z" style="fill:{colour}"/>',
        f'<circle cx="{start}" cy="{y}" r="11" style="fill:{colour}"/>',
        f'<text x="{start}" y="{y + 4}" style="fill:#0b0d12" font-weight="700">{number}</text>',
        f'<text x="{middle}" y="{y - 9}" style="fill:currentColor"{weight}>{escape(label)}</text>',
    ]
    return "".join(parts) + (_answer(exchange.response.status, start, end, y + 20, colour) if exchange.response else "")


def _answer(status: int, start: int, end: int, y: int, colour: str) -> str:
    away = 1 if end >= start else -1
    word = f"{status} {'refused' if status >= 400 else 'answered' if status < 300 else 'sent on'}"
    return (
        f'<path d="M{end} {y}H{start + away * 8}" style="stroke:{colour}" stroke-dasharray="5 4" fill="none"/>'
        f'<path d="M{start + away * 11} {y - 4}L{start + away * 3} {y}L{start + away * 11} {y + 4}" '
        f'style="stroke:{colour}" fill="none"/>'
        f'<text x="{(start + end) // 2}" y="{y - 4}" style="fill:{QUIET}" font-size="11">{word}</text>'
    )


def _plain(drawing: str) -> str:
    """The drawing on a white ground, for places without HTML."""
    for themed, colour in _PLAIN.items():
        drawing = drawing.replace(themed, colour)
    return drawing.replace("</title>", '</title><rect width="100%" height="100%" rx="12" fill="#f5f6fa"/>', 1)
