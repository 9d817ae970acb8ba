"""The report as one HTML file: failures first, evidence with each, readable without script and without network."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup

from conformance.check import VERDICTS
from conformance.report.links import parts
from conformance.report.terminal import LEGEND, SYMBOLS, is_bad
from mcp_demo.exchange import card, wire
from mcp_demo.oauth.resource import is_uri

_TITLES = {
    "resource-server": "MCP server (resource server)",
    "authorization-server": "Authorization server",
    "client": "Client",
}


def render(document: Mapping[str, Any]) -> str:
    """The page. What a target said is text in it, never markup."""
    ordered = sorted(document["results"], key=lambda result: VERDICTS.index(result["verdict"]))
    return (
        environment()
        .get_template("report.html")
        .render(
            document=document,
            problems=[result for result in ordered if is_bad(result)],
            groups=groups(document["results"]),
            symbols=SYMBOLS,
            legend=LEGEND,
            cards=_cards,
            pairs=_pairs,
            places=_places,
            style=Markup(card.STYLE),  # noqa: S704 - our own style sheet
            good=document["verdict"]["exit_code"] == 0,
        )
    )


def environment() -> Environment:
    """The templates, which escape whatever a target said."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )


def groups(results: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Results by role, and what MCP does not demand apart."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        name = "Hardening (not demanded by MCP)" if result["hardening"] else _TITLES[result["role"]]
        found.setdefault(name, []).append(result)
    return sorted(found.items(), key=lambda group: group[0].startswith("Hardening"))


def _cards(result: Mapping[str, Any]) -> list[Markup]:
    exchanges = wire.from_json(json.dumps(result["exchanges"]).encode())
    drawn = [card.to_html(item, number, inline=False, folded=True) for number, item in enumerate(exchanges, 1)]
    return [Markup(text) for text in drawn]  # noqa: S704 - the card escapes whatever is strange


def _pairs(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    return list(zip(result["requirements"], result["texts"], strict=False))


def _places(source: str) -> list[tuple[str, str | None]]:
    return [(place, link if link and is_uri(link) else None) for place, link in parts(source)]
