"""The results as a page: `docs/official.md`."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from conformance.official.node import Toolchain
from conformance.official.scenarios import Outcome

_HEADINGS = {
    "required": "Required",
    "extension": "Extensions, never scored by the suite",
    "added-after-release": "Added after the revision was released, never scored by the suite",
    "pending": "Pending in the suite, never scored by it",
    "authorization server": "Authorization server: the bridge, with a real sign-in",
}
_INTRODUCTION = """\
# Results of the official conformance suite

Written by `make official`; the numbers are those of its last run. The suite is
[`@modelcontextprotocol/conformance`](https://github.com/modelcontextprotocol/conformance) {suite}, run with Node
{node}. The client under test is `python -m conformance.official_client`: the engine of `mcp_demo.client` under the
transport of the official SDK (`mcp` {sdk}). Each scenario runs by itself at the wire of its revision. It passes only if
no check failed or warned, and, except where the suite allows an error, the client ended with status 0:

    npx @modelcontextprotocol/conformance@{suite} client --scenario NAME --spec-version REVISION --force \\
      --command "python -m conformance.official_client"

What the suite does not look at (`state`, a server without S256, refresh, expiry, https, tokens in query strings, wrong
codes and redirect URIs) is covered by tests of our own in `tests/unit/client_gaps`.

Two passes say less than they seem to. In `sep-2322-client-request-state` one tool answers without `resultType`; the SDK
refuses that answer instead of taking it for complete, and the scenario only looks for a second request. In
`json-schema-ref-no-deref` the listed tool cannot be called. Our client goes on after a failed call in both.
The suite's scenarios for skills (SEP-2640) and tasks have nothing to do with authorization and are not run.
"""


def page(tools: Toolchain, sdk: str, outcomes: Sequence[Outcome]) -> str:
    """The page for a run."""
    parts = [_INTRODUCTION.format(suite=tools.suite_version, node=tools.node_version, sdk=sdk), verdict(outcomes)]
    for (revision, kind), group in groupby(outcomes, key=lambda one: (one.scenario.revision, one.scenario.kind)):
        heading = _HEADINGS.get(kind, kind)
        parts.append(f"## {heading if revision == 'any' else f'{revision}: {heading}'}")
        parts.append(_table(group))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def verdict(outcomes: Sequence[Outcome]) -> str:
    """One sentence: how many scenarios of which kind passed."""
    said: list[str] = []
    for kind in dict.fromkeys(one.scenario.kind for one in outcomes):
        chosen = [one for one in outcomes if one.scenario.kind == kind]
        said.append(f"{sum(one.is_good for one in chosen)} of {len(chosen)} ({kind})")
    return f"**Passed: {', '.join(said) or 'nothing was run'}.**"


def counts(outcome: Outcome) -> bool:
    """Whether a failure of it fails the run: the bridge, what a revision requires, and, stricter, the extensions."""
    return outcome.scenario.kind in ("required", "extension", "authorization server")


def line(outcome: Outcome) -> str:
    """An outcome in one line, for a terminal."""
    mark = "✓" if outcome.is_good else "✗"
    note = f"  {outcome.note}" if outcome.note else ""
    return f"{mark} {outcome.scenario.revision:10}  {outcome.scenario.name}: {outcome.passed} passed{note}"


def _table(outcomes: Iterable[Outcome]) -> str:
    rows = ["| Scenario | Verdict | Checks passed | Failed | Warnings | Note |", "|---|---|---|---|---|---|"]
    for one in outcomes:
        word = "✓ pass" if one.is_good else "✗ fail"
        rows.append(f"| `{one.scenario.name}` | {word} | {one.passed} | {one.failed} | {one.warnings} | {one.note} |")
    return "\n".join(rows)
