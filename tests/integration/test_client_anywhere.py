"""The client library and the command line get into a server that they know nothing of but its URL."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from mcp_demo.client import mcp
from mcp_demo.client.api import call_tool
from mcp_demo.client.browser import HeadlessBrowser
from mcp_demo.client.drive import drive
from mcp_demo.client.engine import Engine, Policy
from mcp_demo.client.registration import Identity
from mcp_demo.client.revision import Revision
from mcp_demo.exchange.model import Exchange
from mcp_demo.local.browser import require
from mcp_demo.local.state import Run

REDIRECT = "http://localhost:7777/callback"
FIVE_LINES = """
import asyncio, sys
from mcp_demo.client import HeadlessBrowser, call_tool
url, user, password, domain, chromium = sys.argv[1:]
person = HeadlessBrowser(user, password, origins=[domain], executable=chromium)
print(asyncio.run(call_tool(url, "whoami", sign_in=person)).structured_content["username"])
""".strip()


def person(run: Run) -> HeadlessBrowser:
    return HeadlessBrowser(run.user.username, run.user.password, origins=[run.domain], executable=require())


def cli(run: Run, folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {"MCP_DEMO_USERNAME": run.user.username, "MCP_DEMO_PASSWORD": run.user.password, **environment}
    return subprocess.run(
        [sys.executable, "-m", "mcp_demo.cli", *words, "--state", str(folder)],
        capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **given},
    )  # fmt: skip


@pytest.mark.aws
def test_five_lines_in_an_empty_folder_call_a_tool(stack: Run, tmp_path: Path) -> None:
    assert len(FIVE_LINES.splitlines()) == 5
    words = [stack.server, stack.user.username, stack.user.password, stack.domain, str(require())]
    done = subprocess.run(
        [sys.executable, "-c", FIVE_LINES, *words], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == stack.user.username


@pytest.mark.aws
def test_connect_tells_every_step_without_a_secret_and_lists_the_tools(stack: Run, tmp_path: Path) -> None:
    done = cli(stack, tmp_path, "connect", stack.server, "--sign-in", "headless", "--sign-in-at", stack.domain)
    assert done.returncode == 0, done.stderr
    assert {"whoami", "add_context"} <= {line.split()[0] for line in done.stdout.splitlines() if line.strip()}
    told = [line.split(". ", 1)[1].split("  [")[0] for line in done.stderr.splitlines() if line[:1].isdigit()]
    assert "Register this client" in told
    assert told.index("Ask who protects the server") < told.index("Register this client")
    assert told.index("Register this client") < told.index("Trade the code for tokens")
    full = cli(
        stack,
        tmp_path / "other",
        "connect",
        stack.server,
        "--sign-in",
        "headless",
        "--sign-in-at",
        stack.domain,
        "--full",
    )
    kept = (tmp_path / "grants.json").read_text() + (tmp_path / "other" / "grants.json").read_text()
    secrets = [
        part
        for part in kept.replace("\\", "").split('"')
        if len(part) > 60 and part.isascii() and not part.startswith(("http", "grant ", "server "))
    ]
    assert len(secrets) >= 4
    assert not [secret for secret in secrets if secret in done.stderr + full.stderr]
    assert stack.user.password not in done.stderr + full.stderr

    again = cli(stack, tmp_path, "call", "whoami", "--url", stack.server, "--sign-in", "stored")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["username"] == stack.user.username


@pytest.mark.aws
def test_without_a_stored_grant_nobody_is_asked_and_it_is_exit_code_one(stack: Run, tmp_path: Path) -> None:
    refused = cli(stack, tmp_path, "call", "whoami", "--url", stack.server, "--sign-in", "stored", "--store", "memory")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "nobody was to be asked" in refused.stderr


def test_a_server_that_is_not_there_is_our_environment(stack: Run, tmp_path: Path) -> None:
    refused = cli(stack, tmp_path, "connect", "http://localhost:1/mcp", "--sign-in", "stored")
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("revision", ["2025-06-18", "2025-11-25", "2026-07-28"])
async def test_each_revision_gets_in_by_requests_of_our_own_and_by_the_sdk(revision: Revision, stack: Run) -> None:
    seen: list[Exchange] = []
    scopes = (f"{stack.server}/read",)  # 2025-06-18 has no rule that says which to ask for
    engine = Engine(stack.server, Identity(), REDIRECT, policy=Policy(scopes=scopes, revision=revision))
    async with httpx.AsyncClient(timeout=30) as http:
        step = mcp.call_tool(stack.server, "whoami", {})
        answer = mcp.read(await drive(mcp.converse(engine, step), http, person(stack), seen.append))
    assert answer["structuredContent"]["username"] == stack.user.username
    ours = [hop for hop in seen if hop.request.url == stack.server]
    assert any(hop.name.startswith("Shake hands") for hop in ours) == (revision != "2026-07-28")
    assert ours[-1].request.header("mcp-protocol-version") == revision
    asked = next(json.loads(hop.request.body) for hop in seen if hop.name == "Register this client")
    assert ("application_type" in asked) == (revision == "2026-07-28")

    policy = Policy(scopes=scopes, revision=revision)
    result = await call_tool(stack.server, "whoami", sign_in=person(stack), redirect_uri=REDIRECT, policy=policy)
    assert not result.is_error
