"""The checks as pytest tests: `pytest -p conformance.pytest_plugin --mcp-url URL`; see docs/conformance.md.

A test function that takes `mcp_check` runs once for each selected check; `mcp_result` is its result, and
`mcp_result.require()` fails the test if the target does not pass. `mcp_session` sends requests of your own, each once.
"""

import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, cast

import pytest

from conformance import catalogue
from conformance.catalogue import Selection
from conformance.check import Check
from conformance.document import result_of
from conformance.requirements import LATEST, REVISIONS, SERVER_ROLES, Level, Role, strictest
from conformance.result import Result
from conformance.run import judge_one
from conformance.session import Session
from conformance.target import Target

_ROLES: dict[str, Role] = {"rs": "resource-server", "as": "authorization-server"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, in a group of their own."""
    group = parser.getgroup("mcp-conformance", "MCP authorization conformance")
    group.addoption("--mcp-url", help="The MCP endpoint to judge.")
    group.addoption("--mcp-revision", default=LATEST, choices=REVISIONS, help="Revision of MCP to judge by.")
    group.addoption("--mcp-token", help="A valid access token; better given as $MCP_TOKEN.")
    group.addoption("--mcp-stack", type=Path, help="State folder of a local run, whose issuer may be used.")
    group.addoption("--mcp-select", action="append", default=[], help="Only these checks; can be repeated.")
    group.addoption("--mcp-role", action="append", default=[], choices=tuple(_ROLES), help="Only this role.")


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known, so that `-m must` selects by level."""
    for name in ("must", "should", "may"):
        config.addinivalue_line("markers", f"{name}: a conformance check of this level")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each selected check."""
    if "mcp_check" not in metafunc.fixturenames:
        return
    config = metafunc.config
    roles: tuple[Role, ...] = tuple(_ROLES[name] for name in cast("list[str]", config.getoption("--mcp-role")))
    select = tuple(cast("list[str]", config.getoption("--mcp-select")))
    selection = Selection(_revision(config), select, roles=roles or SERVER_ROLES)
    unknown = selection.unknown(catalogue.load())
    if unknown:
        raise pytest.UsageError(f"No check is called, or begins with, {', '.join(unknown)}.")
    metafunc.parametrize(
        "mcp_check", [_parameter(check, _revision(config)) for check in selection.of(catalogue.load())]
    )


def _parameter(check: Check[Any], revision: str) -> Any:
    levels: list[Level] = [item.level_in(revision) for item in check.requirements if item.applies(revision)]
    level = strictest(levels).partition(" ")[0].lower()
    return pytest.param(check, id=check.id, marks=getattr(pytest.mark, level))


def _revision(config: pytest.Config) -> str:
    return str(config.getoption("--mcp-revision"))


@pytest.fixture(scope="session")
def mcp_target(pytestconfig: pytest.Config) -> Target:
    """The target, from the options. Override it to say more about yours."""
    stack, url = pytestconfig.getoption("--mcp-stack"), pytestconfig.getoption("--mcp-url")
    if isinstance(stack, Path):
        from conformance.stack import target_of

        return target_of(stack, _revision(pytestconfig))
    if not url:
        pytest.exit("Say what to judge: --mcp-url URL, or --mcp-stack DIR.", returncode=4)
    token = pytestconfig.getoption("--mcp-token") or os.environ.get("MCP_TOKEN")
    return Target(str(url), _revision(pytestconfig), token=str(token) if token else None)


@pytest.fixture(scope="session")
def mcp_session(mcp_target: Target) -> Generator[Session]:
    """The run against the target: what one check has observed, all others share."""
    session = Session(mcp_target)
    yield session
    session.close()


class Judged:
    """The result of a check.

    Args:
        result: As the runner made it.
    """

    def __init__(self, result: Result) -> None:
        self.result = result

    def require(self) -> None:
        """Fail the test if the target does not pass, skip it if nothing can be said."""
        found = result_of(self.result)
        if found["counts"] or found["verdict"] == "error":
            words = (f"{name:<9}{found[name.lower()]}" for name in ("Expected", "Received", "Why", "Fix"))
            pytest.fail("\n".join([f"{found['check']}  {found['title']}", *words]), pytrace=False)
        if found["verdict"] not in ("pass", "warn", "info"):
            pytest.skip(f"{found['verdict']}: {found['received']}")


@pytest.fixture
def mcp_result(mcp_check: Check[Any], mcp_session: Session, record_property: Callable[[str, object], None]) -> Judged:
    """The result of the check, with its requirements as properties in the JUnit report."""
    result = judge_one(mcp_check, mcp_session)
    for requirement in result.requirements:
        record_property("requirement", requirement.id)
    record_property("verdict", result.verdict)
    return Judged(result)
