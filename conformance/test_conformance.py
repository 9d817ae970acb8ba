"""Every check as a test: `pytest conformance --mcp-url URL`."""

from conformance.pytest_plugin import Judged


def test_conformance(mcp_result: Judged) -> None:
    """The target does what the requirement asks of it."""
    mcp_result.require()
