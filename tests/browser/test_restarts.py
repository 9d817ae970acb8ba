"""Bridge and server are restarted in the middle of a login, and nobody notices: nothing a login needs is in memory."""

from collections.abc import Generator

import pytest
from people import add_data, allow, demo, expect_data, expect_hello, press, sign_in
from playwright.sync_api import BrowserContext, expect

from mcp_demo.local.ports import Ports
from mcp_demo.local.stack import Options, Processes, started
from mcp_demo.local.state import Run

pytestmark = pytest.mark.slow

Restartable = tuple[Run, Processes]


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Generator[Restartable]:
    with started(Options(tmp_path_factory.mktemp("restarts"), Ports.free())) as running:
        yield running


@pytest.mark.parametrize("kind", ["static", "dcr", "cimd"])
def test_restarts_in_the_middle_of_a_login_go_unnoticed(
    kind: str, context: BrowserContext, own_stack: Restartable
) -> None:
    (run, processes), page = own_stack, context.new_page()
    page.goto(run.clients[kind])
    press(page, "Log in")
    expect(page.get_by_role("button", name="Allow", exact=True)).to_be_visible()
    processes.restart("bridge", "server")
    allow(page)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    processes.restart("bridge", "server")
    sign_in(page, demo(run))
    expect_hello(page, demo(run))
    press(page, "Fetch MCP Data")
    expect_data(page)


def test_grant_and_data_outlive_a_restart_of_everything_but_the_client(
    context: BrowserContext, own_stack: Restartable
) -> None:
    (run, processes), page = own_stack, context.new_page()
    page.goto(run.clients["static"])
    press(page, "Log in")
    allow(page)
    processes.restart("domain")
    sign_in(page, demo(run))
    expect_hello(page, demo(run))
    add_data(page, "Kept", "outlives its server")
    allow(page)
    expect(page.locator(".entry")).to_have_count(1)
    processes.restart("bridge", "server", "domain")
    press(page, "Fetch MCP Data")
    expect_data(page)
    expect(page.locator(".entry")).to_contain_text("outlives its server")
