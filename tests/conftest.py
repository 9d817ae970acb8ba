"""The running system for tests: one per worker and kind, on free ports, in a folder of its own."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from aws_target import deployed, signed_in
from playwright.sync_api import Browser, sync_playwright

from mcp_demo.errors import SetupError
from mcp_demo.local.browser import require
from mcp_demo.local.ports import Ports
from mcp_demo.local.stack import Hosted, running_stack
from mcp_demo.local.state import Run

_LOG_TAIL = 20
_STACKS = ("stack", "ministack_hosted_stack")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the tests that can do so run against a deployment on AWS."""
    parser.addoption("--target", choices=("embedded", "aws"), default="embedded", help="Where the system runs.")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse, in one line and with exit code 4, to test on AWS without credentials."""
    config.addinivalue_line("markers", "aws: also runs against a deployment on AWS, with --target aws")
    if _on_aws(config):
        try:
            signed_in()
        except SetupError as error:
            raise pytest.UsageError(str(error)) from None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On AWS run what makes sense there: tests that need nothing of this machine but a browser."""
    if _on_aws(config):
        there = [item for item in items if item.get_closest_marker("aws")]
        config.hook.pytest_deselected(items=[item for item in items if item not in there])
        items[:] = there


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Run]:
    """The system over our user-pool domain, or on AWS: tokens are bound to the MCP server by `aud`."""
    if not _on_aws(request.config):
        yield from _running(tmp_path_factory, "local")
        return
    try:
        with deployed(signed_in(), tmp_path_factory.mktemp("aws")) as run:
            yield run
    except SetupError as error:
        pytest.exit(str(error), returncode=4)


@pytest.fixture(scope="session")
def ministack_hosted_stack(tmp_path_factory: pytest.TempPathFactory) -> Generator[Run]:
    """The system over MiniStack's own sign-in endpoints: tokens are bound to the MCP server by scope."""
    yield from _running(tmp_path_factory, "ministack")


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    """A real browser. Not for the whole session: while it runs, no asyncio test can run in this process."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=require(), args=sandbox)
        yield chromium
        chromium.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the parts of the system wrote, under a failed test that uses it."""
    report = yield
    if report.failed:
        arguments: dict[str, object] = getattr(item, "funcargs", {})
        for name in _STACKS:
            run = arguments.get(name)
            if isinstance(run, Run):
                report.sections.extend(_logs(run.state / "logs"))
    return report


def _on_aws(config: pytest.Config) -> bool:
    return config.getoption("--target") == "aws"


def _running(factory: pytest.TempPathFactory, hosted: Hosted) -> Generator[Run]:
    with running_stack(factory.mktemp(f"stack-{hosted}"), Ports.free(), hosted) as run:
        yield run


def _logs(folder: Path) -> list[tuple[str, str]]:
    logs = ((log, log.read_text(encoding="utf-8", errors="replace")) for log in sorted(folder.glob("*.log")))
    return [(f"log of {log.stem}", "\n".join(text.splitlines()[-_LOG_TAIL:])) for log, text in logs if text.strip()]
