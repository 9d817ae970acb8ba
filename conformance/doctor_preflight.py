"""What the doctor says before a deployment to AWS: a line for each thing looked at, a cure under each that is ill."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from conformance.doctor_findings import SCHEMA_VERSION, SYMBOLS
from mcp_demo.deploy.preflight import Fact


@dataclass(frozen=True, slots=True)
class Preflight:
    """All that was found, in the order in which a deployment would stumble."""

    facts: tuple[Fact, ...]

    @property
    def exit_code(self) -> int:
        """0 nothing wrong · 1 something is."""
        return int(any(fact.state == "wrong" for fact in self.facts))

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        wrong = [fact.topic for fact in self.facts if fact.state == "wrong"]
        if wrong:
            return f"Mend this first: {wrong[0]}. A deployment would not get through."
        unknown = [fact.topic for fact in self.facts if fact.state == "unknown"]
        return f"Nothing wrong as far as AWS tells; not known: {', '.join(unknown)}." if unknown else "Nothing wrong."

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "schema": SCHEMA_VERSION,
            "target": "aws",
            "verdict": {"exit_code": self.exit_code, "text": self.sentence},
            "facts": [
                {"topic": fact.topic, "status": fact.state, "text": fact.text, "change": fact.cure}
                for fact in self.facts
            ],
        }

    def lines(self) -> Iterator[str]:
        """For a terminal."""
        yield "AWS, before a deployment\n"
        for fact in self.facts:
            state = "not known" if fact.state == "unknown" else fact.state
            yield f"  {SYMBOLS[fact.state]} {state:<9} {fact.topic:<17} {fact.text}".rstrip()
            if fact.cure:
                yield f"    {'Change':<9} {fact.cure}"
        yield f"\n{self.sentence}"
