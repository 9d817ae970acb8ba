"""The authorization-server checks against the running system, with a real browser."""

import pytest

from conformance import catalogue
from conformance.catalogue import Selection
from conformance.run import judge
from conformance.stack import target_of
from mcp_demo.local.state import Run


@pytest.mark.slow
def test_the_bridge_passes_every_check_that_applies(stack: Run) -> None:
    checks = Selection(roles=("authorization-server",)).of(catalogue.load())
    report = judge(target_of(stack.state), checks)
    unsettled = {
        item.check.id: f"{item.verdict}: {item.received}"
        for item in report.results
        if item.verdict not in ("pass", "not-applicable", "excluded")
    }
    assert unsettled == {}


def test_without_any_capability_nothing_passes_that_was_not_seen(stack: Run) -> None:
    from conformance.target import Target

    checks = Selection(roles=("authorization-server",)).of(catalogue.load())
    report = judge(Target(stack.server), checks)
    assert not [item.check.id for item in report.results if item.verdict in ("fail", "warn", "error")]
    blocked = [item for item in report.results if item.verdict == "blocked"]
    assert blocked
    assert all(item.missing is not None for item in blocked)
