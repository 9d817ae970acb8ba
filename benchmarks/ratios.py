"""What the figures have to prove: each a ratio of two things measured in the same rounds, and the least it may be."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks.load import Sample
from benchmarks.requests import ERAS

CONNECTIONS: Final = (1, 32)


@dataclass(frozen=True, slots=True)
class Cell:
    """What one figure is about: a question, how many connections ask it, who answers, and with which kind of token."""

    question: str
    connections: int
    server: str
    token: str


Results = Mapping[Cell, Sequence[Sample]]


@dataclass(frozen=True, slots=True)
class Ratio:
    """One line of the verdict.

    Args:
        what: What is compared.
        value: The median over rounds; each round is compared with itself.
        target: The least that is good, or the most if `at_most`.
        cpu: The same by processor time a request, which a busy machine disturbs less; None where it is not known.
    """

    what: str
    value: float
    target: float
    cpu: float | None = None
    at_most: bool = False

    @property
    def is_met(self) -> bool:
        """Whether it is good enough."""
        return self.value <= self.target if self.at_most else self.value >= self.target


def verdict(results: Results) -> list[Ratio]:
    """All ratios that these results allow to form."""
    return [*_challenge(results), *_authorized(results), *_tail(results)]


def _challenge(results: Results) -> Iterator[Ratio]:
    for connections in CONNECTIONS:
        own = Cell("401 challenge", connections, "mcp-demo", "none")
        for other, target in (("bare", 0.85), ("mcp SDK", 1.0), ("FastMCP", 1.0)):
            yield from _ratio(results, own, Cell(own.question, connections, other, "none"), target)


def _authorized(results: Results) -> Iterator[Ratio]:
    for method in ("tools/list", "tools/call"):
        peer = 1.2 if method == "tools/list" else 1.0
        for era in ERAS:
            for connections in CONNECTIONS:
                for token, least in (("known", 0.95), ("fresh", 0.85)):
                    own = Cell(f"{method} {era}", connections, "mcp-demo", token)
                    yield from _ratio(results, own, Cell(own.question, connections, "mcp-demo, open", "none"), least)
                    yield from _ratio(results, own, Cell(own.question, connections, "mcp SDK", token), peer)
                    yield from _ratio(results, own, Cell(own.question, connections, "FastMCP", token), 1.0)


def added(results: Results) -> Iterator[tuple[str, int, float, float]]:
    """What a known and a fresh token add to a call of the open endpoint, in microseconds of processor time.

    Yields:
        Question, connections, and the medians over rounds for a known and for a fresh token.
    """
    for cell, open_ in results.items():
        if cell.server == "mcp-demo, open":
            known, fresh = (
                [ours.cpu - theirs.cpu for ours, theirs in zip(results.get(own, ()), open_, strict=False)]
                for own in (Cell(cell.question, cell.connections, "mcp-demo", token) for token in ("known", "fresh"))
            )
            yield cell.question, cell.connections, median(known), median(fresh)


def _tail(results: Results) -> Iterator[Ratio]:
    for cell, samples in results.items():
        if cell.server == "mcp-demo" and cell.connections == max(CONNECTIONS) and cell.token != "none":  # noqa: S105
            what = f"{cell.question}, {cell.token} token, 32 connections: p99 / median"
            yield Ratio(what, median(sample.p99 / sample.p50 for sample in samples), 3.0, at_most=True)


def _ratio(results: Results, own: Cell, other: Cell, target: float) -> Iterator[Ratio]:
    pairs = list(zip(results.get(own, ()), results.get(other, ()), strict=False))
    if pairs:
        token = "" if own.token == "none" else f", {own.token} token"  # noqa: S105
        many = f"{own.connections} connection{'s' if own.connections > 1 else ''}"
        cpu = median(theirs.cpu / ours.cpu for ours, theirs in pairs) if all(ours.cpu for ours, _ in pairs) else None
        value = median(ours.rate / theirs.rate for ours, theirs in pairs)
        yield Ratio(f"{own.question}{token}, {many} / {other.server}", value, target, cpu)
