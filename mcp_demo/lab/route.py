"""The way through the twelve notebooks, and where on it you are."""

from dataclasses import dataclass
from html import escape

from mcp_demo.exchange.card_style import HUES, LINE, tint
from mcp_demo.lab.box import QUIET_TEXT, STRONG, box, element
from mcp_demo.lab.display import Shown


@dataclass(frozen=True, slots=True)
class Stop:
    """A notebook.

    Args:
        file: Its name without the ending.
        title: What it is about, in two or three words.
        leg: The part of the way it belongs to.
        hue: The colour of that part, as on the cards.
    """

    file: str
    title: str
    leg: str
    hue: str

    @property
    def number(self) -> str:
        """The two digits in front."""
        return self.file[:2]


STOPS = (
    Stop("00_start_here", "start here", "set out", "access"),
    Stop("01_deploy", "deploy", "set out", "access"),
    Stop("02_the_401", "the 401", "discover", "discovery"),
    Stop("03_resource_metadata", "resource metadata", "discover", "discovery"),
    Stop("04_server_metadata", "server metadata", "discover", "discovery"),
    Stop("05_registration", "registration", "register", "registration"),
    Stop("06_authorization_code", "authorization code", "sign in", "authorization"),
    Stop("07_tokens", "tokens", "get in", "token"),
    Stop("08_calling_tools", "calling tools", "get in", "token"),
    Stop("09_hardening", "hardening", "run it", "access"),
    Stop("10_conformance", "conformance", "run it", "access"),
    Stop("11_on_real_aws", "on real AWS", "run it", "access"),
)
"""All notebooks, in their order."""

_LEGS = tuple(dict.fromkeys(stop.leg for stop in STOPS))


def where(notebook: str | int) -> Shown:
    """The map of the notebooks, with *you are here*.

    Args:
        notebook: The number of the notebook you are in, e.g. `"03"`.

    Raises:
        ValueError: There is no such notebook.
    """
    number = f"{notebook:02}" if isinstance(notebook, int) else notebook[:2]
    here = next((stop for stop in STOPS if stop.number == number), None)
    if here is None:
        raise ValueError(f"There is no notebook {notebook!r}; there are 00 to {STOPS[-1].number}.")
    legs = "".join(_leg(leg, here) for leg in _LEGS)
    head = f"You are here: {here.number} {here.title}, {STOPS.index(here) + 1} of {len(STOPS)}"
    html = box(head, element("p", STRONG, escape(head)), element("div", _ROW, legs))
    return Shown(html, _text(here), _svg(here, head))


_ROW = "display:flex;flex-wrap:wrap;gap:6px 14px;align-items:stretch"
_CHIP = "display:inline-block;border-radius:8px;padding:3px 9px;margin:3px 4px 0 0;text-decoration:none;color:inherit"


def _leg(leg: str, here: Stop) -> str:
    chips = "".join(_chip(stop, here) for stop in STOPS if stop.leg == leg)
    hue = next(stop.hue for stop in STOPS if stop.leg == leg)
    style = f"border-top:3px solid {HUES[hue]};padding:2px 0 0;margin:0"
    return element("div", style, element("span", QUIET_TEXT, escape(leg)) + "<br>" + chips, ' role="group"')


def _chip(stop: Stop, here: Stop) -> str:
    words = f"{stop.number} {escape(stop.title)}"
    if stop == here:
        style = f"{_CHIP};background:{tint(stop.hue)};border:2px solid currentColor;font-weight:700"
        return element("strong", style, f"● {words} (you are here)", ' aria-current="page"') + " "
    style = f"{_CHIP};border:1px solid {LINE}"
    return element("a", style, words, f' href="{stop.file}.ipynb"') + " "


def _text(here: Stop) -> str:
    lines = list[str]()
    for leg in _LEGS:
        lines.append(leg)
        lines += [
            f"  {'→' if stop == here else ' '} {stop.number} {stop.title}{'   ← you are here' if stop == here else ''}"
            for stop in STOPS
            if stop.leg == leg
        ]
    return "\n".join(lines)


_BOLD = ' font-weight="700"'
_PITCH, _WIDTH, _PER_ROW = 150, 940, 6


def _svg(here: Stop, head: str) -> str:
    """The map as an image of its own, on a ground of its own: readable where HTML is not shown."""
    way, stops = list[str](), list[str]()
    for place, stop in enumerate(STOPS):
        x, y = 70 + place % _PER_ROW * _PITCH, 46 + place // _PER_ROW * 96
        if place % _PER_ROW:
            way.append(f'<path d="M{x - _PITCH} {y}H{x}" stroke="#8a90a0" stroke-width="3"/>')
        stops.append(_mark(stop, x, y, stop == here))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} 214" width="{_WIDTH}" role="img" '
        f'font-family="system-ui,sans-serif" font-size="13" text-anchor="middle"><title>{escape(head)}</title>'
        f'<rect width="{_WIDTH}" height="214" rx="12" fill="#f5f6fa"/>{"".join(way)}{"".join(stops)}</svg>'
    )


def _mark(stop: Stop, x: int, y: int, here: bool) -> str:
    size, fill, ink = (18, "#1b1f24", "#ffffff") if here else (14, HUES[stop.hue], "#0b0d12")
    note = f'<text x="{x}" y="{y + 54}" fill="#1b1f24" font-weight="700">▲ you are here</text>' if here else ""
    return (
        f'<circle cx="{x}" cy="{y}" r="{size}" fill="{fill}"/>'
        f'<text x="{x}" y="{y + 4}" fill="{ink}" font-weight="700">{stop.number}</text>'
        f'<text x="{x}" y="{y + 36}" fill="#1b1f24"{_BOLD if here else ""}>{escape(stop.title)}</text>{note}'
    )
