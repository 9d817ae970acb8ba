"""How things look in a notebook: rich where there is HTML, readable as text where there is none."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from mcp_demo.exchange import card
from mcp_demo.exchange.model import Exchange

_CELL = "text-align:left;vertical-align:top;padding:4px 14px 4px 0;overflow-wrap:"
_FIGURE = "display:inline-block;max-width:100%;width:420px;margin:0 10px 12px 0;vertical-align:top"
_ADDRESS = (
    "color-scheme:light dark;font:12px/1.6 ui-monospace,monospace;padding:3px 10px;border-radius:8px 8px 0 0;"
    "background:light-dark(#e6e9ee,#343a45);color:light-dark(#1b1f24,#e6e8eb)"
)
_PICTURE = "display:block;width:100%;border:1px solid #8a90a0;border-radius:0 0 8px 8px"


@dataclass(frozen=True, slots=True)
class Picture:
    """A screenshot of a page, under the address it came from, with the words for those who do not see it."""

    jpeg: bytes = field(repr=False)
    address: str
    words: str

    def to_html(self) -> str:
        """The picture itself, no file beside the notebook."""
        data = b64encode(self.jpeg).decode("ascii")
        image = f'<img alt="{escape(self.words)}" style="{_PICTURE}" src="data:image/jpeg;base64,{data}">'
        address = f'<figcaption style="{_ADDRESS}">{escape(self.address)}</figcaption>'
        return f'<figure style="{_FIGURE}">{address}{image}</figure>'


@dataclass(frozen=True, slots=True)
class Shown:
    """Something a notebook displays: HTML, text, and for drawings an image that needs neither theme nor HTML."""

    html: str = field(repr=False)
    text: str
    svg: str = field(default="", repr=False)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        drawing = {"image/svg+xml": self.svg} if self.svg else {}
        return {"text/html": self.html, **drawing, "text/plain": self.text}


def display(shown: Shown) -> None:
    """Show something at once, rather than as the value of the cell."""
    import IPython.display  # only notebooks have it

    IPython.display.display(shown)  # pyright: ignore[reportUnknownMemberType]


def show(thing: Exchange | Mapping[str, Any] | Sequence[Exchange | Picture], first: int | None = None) -> Shown:
    """An exchange as a card, several below one another, or names with their values as a table.

    Args:
        thing: What to show. Exchanges are redacted.
        first: The number of the first exchange.
    """
    if isinstance(thing, Mapping):
        return _table(thing)
    pieces = (thing,) if isinstance(thing, Exchange) else thing
    number, html, text = first, list[str](), list[str]()
    for piece in pieces:
        if isinstance(piece, Picture):
            html.append(piece.to_html())
            text.append(f"[picture of {piece.address}: {piece.words}]")
            continue
        html.append(card.to_html(piece, number))
        text.append(card.to_text(piece, number))
        number = None if number is None else number + 1
    return Shown("".join(html), "\n\n".join(text))


def _table(values: Mapping[str, Any]) -> Shown:
    rows = "".join(
        f'<tr><th scope="row" style="{_CELL}break-word">{escape(str(name))}</th>'
        f'<td style="{_CELL}anywhere">{escape(_words(value))}</td></tr>'
        for name, value in values.items()
    )
    width = max((len(str(name)) for name in values), default=0)
    text = "\n".join(f"{name!s:<{width}}  {_words(value)}" for name, value in values.items())
    return Shown(f"<table>{rows}</table>", text)


def _words(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return str(value)
