"""What the doctor says: findings, the state of each layer, and the diagnosis they add up to."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, cast

from conformance.doctor_illnesses import Layer, Spoils
from mcp_demo.exchange.redact import redact_json

State = Literal["ok", "wrong", "unknown", "note"]
SCHEMA_VERSION = 1
SYMBOLS: dict[State, str] = {"ok": "✓", "wrong": "✗", "unknown": "?", "note": "–"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that keeps people out.

    Args:
        layer: Where it sits.
        check: The check that `conformance explain` tells more about.
        name: What is wrong, in plain words.
        saw: What was seen.
        why: Why it matters.
        change: What to change, and where.
        spoils: What cannot be told while it is so.
        covers: Checks that fail for the same cause.
    """

    layer: Layer
    check: str
    name: str
    saw: str
    why: str
    change: str
    spoils: Spoils = "login"
    covers: tuple[str, ...] = ()


class Unknown(Exception):
    """Nothing can be said about a layer, for this reason."""


class Worth(Exception):
    """A layer is as it may be, but there is something worth knowing."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The state of a layer: `ok`, `wrong`, `unknown` (not looked at, and why), `note` (worth knowing)."""

    layer: Layer
    state: State
    text: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All of it.

    Args:
        url: The MCP endpoint.
        layers: In the order in which a client meets them.
        findings: Those of the first layer first.
        requests: How many exchanges it took.
        seconds: How long.
    """

    url: str
    layers: tuple[Seen, ...]
    findings: tuple[Finding, ...]
    requests: int
    seconds: float

    @property
    def exit_code(self) -> int:
        """0 nothing wrong · 1 something is."""
        return 1 if self.findings else 0

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        if self.findings:
            first = self.findings[0]
            more = f" {len(self.findings) - 1} more below." if len(self.findings) > 1 else ""
            return f"Mend this first: {first.layer}. {first.name}.{more}"
        unknown = [seen.layer for seen in self.layers if seen.state == "unknown"]
        return f"Nothing wrong as far as it could be seen; not looked at: {', '.join(unknown)}." if unknown else _WELL

    def document(self) -> dict[str, Any]:
        """As JSON, redacted."""
        made = {
            "schema": SCHEMA_VERSION,
            "target": self.url,
            "verdict": {"exit_code": self.exit_code, "text": self.sentence},
            "layers": [{"layer": seen.layer, "status": seen.state, "text": seen.text} for seen in self.layers],
            "findings": [
                {
                    "layer": found.layer,
                    "check": found.check,
                    "name": found.name,
                    "saw": found.saw,
                    "why": found.why,
                    "change": found.change,
                }
                for found in self.findings
            ],
            "requests": self.requests,
            "seconds": round(self.seconds, 2),
        }
        return cast("dict[str, Any]", redact_json(made))


_WELL = "Nothing wrong: a client can find its way, sign in and call the server."


def text_of(diagnosis: Diagnosis) -> Iterable[str]:
    """The diagnosis for a terminal, line by line: the layers, each finding as a block, the verdict last."""
    made = diagnosis.document()
    yield f"{made['target']}\n"
    for seen in made["layers"]:
        yield f"  {SYMBOLS[seen['status']]} {seen['status']:<8} {seen['layer']:<21} {seen['text']}".rstrip()
    for found in made["findings"]:
        yield f"\n✗ {found['layer']}: {found['name']}"
        for title, name in (("Saw", "saw"), ("Why", "why"), ("Change", "change")):
            yield f"    {title:<8} {found[name]}"
        yield f"    {'More':<8} mcp-demo conformance explain {found['check']}"
    yield f"\n{made['verdict']['text']}"
