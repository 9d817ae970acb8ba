"""The frame of everything the lab draws: inline styles that follow the notebook's theme, no script, no remote asset."""

from html import escape

from mcp_demo.exchange import spec
from mcp_demo.exchange.card_style import FIELD, LINE, NOTEBOOK, QUIET, ink, tint

CELL = f"text-align:left;vertical-align:top;padding:4px 14px 4px 0;border:0;border-top:1px solid {LINE};color:inherit"
MONO = "font:12.5px/1.5 ui-monospace,monospace"
FOLD = f"margin:6px 0;padding:6px 12px;border-radius:8px;background:{FIELD}"
SUMMARY = "cursor:pointer"
QUIET_TEXT = f"font-size:12.5px;color:{QUIET}"
STRONG = "font-weight:650;font-size:15px;margin:0 0 6px"
GOOD, BAD = f"color:{ink('good')}", f"color:{ink('bad')}"


def element(tag: str, style: str, content: str, attributes: str = "") -> str:
    """An element with its style; content and attributes are HTML already."""
    return f'<{tag} style="{escape(style)}"{attributes}>{content}</{tag}>'


def box(label: str, *content: str) -> str:
    """A card with a name for those who hear it."""
    return element("article", NOTEBOOK["x-card"], "".join(content), f' aria-label="{escape(label)}"')


def badge(words: str, hue: str) -> str:
    """A word on a coloured ground."""
    return element("span", f"{NOTEBOOK['x-phase']};background:{tint(hue)}", escape(words))


def fold(summary: str, content: str, *, opened: bool = False) -> str:
    """Something one click away; both parts are HTML already."""
    return element("details", FOLD, element("summary", SUMMARY, summary) + content, " open" if opened else "")


def link(tag: str) -> str:
    """A section of a document, as a link if it is known."""
    try:
        return anchor(tag, spec.url(tag))
    except KeyError:
        return escape(tag)


def anchor(words: str, target: str | None) -> str:
    """Words that lead to an address, if there is one."""
    if target is None:
        return escape(words)
    attributes = f' href="{escape(target)}" target="_blank" rel="noopener noreferrer"'
    return element("a", NOTEBOOK["x-link"], escape(words), attributes)


def table(rows: list[tuple[str, ...]], heads: tuple[str, ...] = ()) -> str:
    """A table of HTML cells; the first of each row is its head."""
    top = "".join(element("th", f"{CELL};{QUIET_TEXT}", head, ' scope="col"') for head in heads)
    body = "".join(
        element(
            "tr",
            "background:none",
            # the head keeps its words whole: the card would break them anywhere
            element("th", f"{CELL};font-weight:500;overflow-wrap:break-word", row[0], ' scope="row"')
            + "".join(element("td", f"{CELL};overflow-wrap:anywhere", cell) for cell in row[1:]),
        )
        for row in rows
    )
    head = element("tr", "background:none", top) if heads else ""
    whole = element(
        "table",
        "color:inherit;border-collapse:collapse;table-layout:auto;width:100%;margin:6px 0;font-size:13px",
        head + body,
    )
    return element("div", "overflow-x:auto", whole)
