"""How cards look: rules by class name, for style sheets of our own and, in a second form, for notebooks.

On our own pages a card follows what the person's system prefers. A notebook has a theme of its own, so there a card
takes surface and text from JupyterLab's variables, and every other colour is a mix with that text: it is right on light
and on dark without knowing which it is. Where nobody defines the variables, the system's preference decides.
"""

from collections.abc import Mapping

RULES: dict[str, str] = {
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
STYLE = "\n".join(f".{name}{{{rules}}}" for name, rules in RULES.items())
"""The style sheet for our own pages."""


HUES: Mapping[str, str] = {
    "discovery": "#3b82f6",
    "registration": "#8b5cf6",
    "authorization": "#e0a100",
    "token": "#22a35a",
    "access": "#7c8798",
    "good": "#14883f",
    "bad": "#d8382f",
}
"""The colour of each phase and verdict. None of them says anything that words do not say too."""


def tint(hue: str) -> str:
    """A background on which the text around it stays readable."""
    return f"color-mix(in srgb,{HUES[hue]} 24%,transparent)"


def ink(hue: str) -> str:
    """Text of a colour: darker on light, lighter on dark."""
    return f"color-mix(in srgb,{HUES[hue]} 62%,currentColor)"


QUIET, LINE, FIELD = "var(--x-quiet)", "var(--x-line)", "var(--x-field)"
"""Text that steps back; borders; a field within a card. Known inside an element that has `NOTEBOOK["x-card"]`."""

_MIXES = (
    "--x-quiet:color-mix(in srgb,currentColor 74%,transparent);"
    "--x-line:color-mix(in srgb,currentColor 24%,transparent);"
    "--x-field:color-mix(in srgb,currentColor 6%,transparent);"
)
_THEMED = {
    "color-scheme:light dark;": f"color-scheme:light dark;{_MIXES}",
    "light-dark(#1b1f24,#e6e8eb);background:": "var(--jp-content-font-color1,light-dark(#1b1f24,#e6e8eb));background:",
    "background:light-dark(#ffffff,#1a1d23)": "background:var(--jp-layout-color1,light-dark(#ffffff,#1a1d23))",
    "solid light-dark(#d5d9e0,#363b45)": "solid var(--jp-border-color1,light-dark(#d5d9e0,#363b45))",
    "background:light-dark(#1b1f24,#e6e8eb);color:light-dark(#ffffff,#1a1d23)": f"background:{LINE};color:inherit",
    "light-dark(#57606a,#a3acb9)": QUIET,
    "light-dark(#0f6b2b,#7fdc99)": ink("good"),
    "light-dark(#a3211b,#ff9c94)": ink("bad"),
    "light-dark(#c98a00,#e3b341)": HUES["authorization"],
    "light-dark(#f4f6f8,#12141a)": FIELD,
    "light-dark(#0b57b8,#8ab8ff)": "var(--jp-content-link-color,light-dark(#0b57b8,#8ab8ff))",
}


def _for_notebook(name: str, rules: str) -> str:
    phase = name.removeprefix("x-")
    if phase in HUES and "background" in rules:
        return f"background:{tint(phase)};color:inherit"
    for ours, themed in _THEMED.items():
        rules = rules.replace(ours, themed)
    return rules


NOTEBOOK: Mapping[str, str] = {name: _for_notebook(name, rules) for name, rules in RULES.items()}
"""The rules for cards within notebooks."""
