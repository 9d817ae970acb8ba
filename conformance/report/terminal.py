"""The report on a terminal: a line for what is fine, a block for what is not, the verdict last."""

import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO, cast

SYMBOLS = {
    "pass": "✓",
    "fail": "✗",
    "warn": "!",
    "info": "i",
    "not-applicable": "–",
    "blocked": "■",
    "error": "?",
    "excluded": "○",
}
LEGEND = "✓ pass  ✗ fail  ! warning  i info  – not applicable  ■ blocked  ? failure of the suite  ○ cannot be judged"
_COLOURS = {"pass": 32, "fail": 31, "warn": 33, "info": 36, "blocked": 35, "error": 35}
_NAMES = {"resource-server": "rs", "authorization-server": "as", "client": "client", "hardening": "hardening"}
_TITLES = {"resource-server": "MCP server", "authorization-server": "Authorization server", "client": "Client"}
_NO_TARGET = 4
_STATES = {"ok": "✓", "note": "–", "stop": "✗"}


class Terminal:
    """Writes a report as it comes about. Colour is an addition: every verdict has a symbol and a word.

    Args:
        out: Where to.
        verbose: Whether to draw the exchanges of every problem.
        colour: Whether to use colour; by default on a terminal, unless $NO_COLOR is set.
    """

    def __init__(self, out: TextIO | None = None, *, verbose: bool = False, colour: bool | None = None) -> None:
        self._out = out or sys.stdout
        self._verbose = verbose
        self._colour = self._out.isatty() and not os.environ.get("NO_COLOR") if colour is None else colour
        self._phase = ""

    def preflight(self, findings: Iterable[Mapping[str, str]]) -> None:
        """The preflight, in a section of its own."""
        self._line("Preflight")
        for finding in printable(list(findings), lines=False):
            self._line(f"  {_STATES[finding['status']]} {finding['name']:<11} {finding['text']}")
        self._line("")

    def result(self, number: int, total: int, result: Mapping[str, Any]) -> None:
        """One result, below the heading of its topic."""
        result = printable(result, lines=False)
        phase = f"{_TITLES.get(result['role'], result['role'])} › {result['topic']}"
        if phase != self._phase:
            self._phase = phase
            self._line(phase)
        self._line(f"  [{number}/{total}] {self._head(result)}  {result['title']}")
        if is_bad(result):
            self._block(result)
        elif result["verdict"] in ("blocked", "not-applicable", "info"):
            self._line(f"          {result['received']}")

    def summary(self, document: Mapping[str, Any], artifacts: Iterable[str] = ()) -> None:
        """Counts, the problems once more, the files written, and the verdict."""
        document = printable(document, lines=False)
        bad = [result for result in document["results"] if is_bad(result)]
        if bad and document["verdict"]["exit_code"] != _NO_TARGET:
            self._line("\nProblems")
            for result in bad:
                self._line(f"  {self._head(result)}  {result['received']}")
        counts = " · ".join(_counts(name, found) for name, found in document["roles"].items())
        self._line(f"\n{LEGEND}")
        self._line(f"{counts or 'nothing'}   {document['requests']} requests in {document['seconds']} s")
        for artifact in artifacts:
            self._line(f"written: {artifact}")
        self._line(f"{document['verdict']['text']}")

    def _block(self, result: Mapping[str, Any]) -> None:
        self._line(f"      {' · '.join(result['refs'])}")
        for name, text in (
            ("Expected", result["expected"]),
            ("Received", result["received"]),
            ("Why", result["why"]),
            ("Fix", result["fix"]),
            ("Cognito", result["cognito"]),
            ("Again", result["reproduce"]),
        ):
            if text:
                self._line(f"      {name:<8} {text}")
        if self._verbose:
            from mcp_demo.exchange import card, wire

            for exchange in wire.from_json(_json(result["exchanges"])):
                self._line(printable(card.to_text(exchange)))

    def _head(self, result: Mapping[str, Any]) -> str:
        verdict = result["verdict"]
        word = {"expected": "expected", "stale": "stale"}.get(result["baseline"] or "", verdict)
        symbol = {"expected": "x", "stale": "X"}.get(result["baseline"] or "", SYMBOLS[verdict])
        marked = self._coloured(f"{symbol} {word}", verdict)
        return f"{marked}  {result['check']}  {result['level']}{' (hardening)' if result['hardening'] else ''}"

    def _coloured(self, text: str, verdict: str) -> str:
        code = _COLOURS.get(verdict)
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour and code else text

    def _line(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()


def is_bad(result: Mapping[str, Any]) -> bool:
    """Whether a result deserves a block: something is wrong with the target, or with the run."""
    return result["verdict"] in ("fail", "warn", "error") or result["counts"]


def printable(value: Any, *, lines: bool = True) -> Any:
    """A text, or all texts of a document, without control characters: a target must not write on the terminal.

    Args:
        value: What is to be shown.
        lines: Whether line ends stay. Where a target's words stand in a line of ours, they must not begin another: it
            could look like a verdict, or in a CI log be a command of the runner (`::stop-commands::`).
    """
    if isinstance(value, str):
        return "".join(
            character if (lines and character == "\n") or character.isprintable() else "\N{REPLACEMENT CHARACTER}"
            for character in value
        )
    if isinstance(value, Mapping):
        return {key: printable(item, lines=lines) for key, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        return [printable(item, lines=lines) for item in cast("list[Any]", value)]
    return value


def _counts(name: str, found: Mapping[str, int]) -> str:
    return f"{_NAMES.get(name, name)} " + " ".join(f"{found[key]}{SYMBOLS[key]}" for key in SYMBOLS if key in found)


def _json(exchanges: Any) -> bytes:
    import json

    return json.dumps(exchanges).encode()
