"""`mcp-demo token` and `call` against the running system, signing in with a real browser."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mcp_demo.deploy.profile import Profile
from mcp_demo.local.state import Run


def _cli(run: Run, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mcp_demo.cli", *words, "--state", str(run.state)],
        capture_output=True, text=True, timeout=90, check=False, env={**os.environ, **environment},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("which", ["stack", "ministack_hosted_stack"])
def test_a_token_comes_alone_and_calls_step_up_as_needed(which: str, request: pytest.FixtureRequest) -> None:
    run: Run = request.getfixturevalue(which)
    token = _cli(run, "token", "--scope", "read", "--headless")
    assert token.returncode == 0, token.stderr
    assert token.stdout.count(".") == 2
    assert len(token.stdout.split()) == 1

    who = _cli(run, "call", "whoami")
    assert who.returncode == 0, who.stderr
    assert json.loads(who.stdout)["username"] == "demo"
    assert json.loads(who.stdout)["scopes"] == [f"{run.server}/read"]

    added = _cli(run, "call", "add_context", '{"name": "greeting", "text": "hello"}', "--headless")
    assert added.returncode == 0, added.stderr
    assert "hello" in _cli(run, "call", "list_contexts").stdout
    granted = json.loads(_cli(run, "call", "whoami").stdout)["scopes"]  # scopes are a set, and MiniStack's has no order
    assert set(granted) == {f"{run.server}/read", f"{run.server}/write"}


def test_a_tool_that_refuses_is_exit_code_one(stack: Run) -> None:
    assert _cli(stack, "token", "--headless").returncode == 0
    refused = _cli(stack, "call", "no_such_tool")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no_such_tool" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("arguments", ["{", "[]"])
def test_arguments_that_are_no_object_are_a_usage_error(arguments: str, stack: Run) -> None:
    assert _cli(stack, "call", "whoami", arguments).returncode == 2


def test_no_browser_is_one_clear_line_with_a_cure(stack: Run, tmp_path: Path) -> None:
    (stack.state / "tokens.json").unlink(missing_ok=True)
    nowhere = str(tmp_path)
    refused = _cli(stack, "token", "--headless", PATH=nowhere, PLAYWRIGHT_BROWSERS_PATH=nowhere, MCP_DEMO_BROWSER="")
    assert (refused.returncode, refused.stdout) == (4, "")
    problem, cure = refused.stderr.splitlines()
    assert problem.startswith("There is no Chromium")
    assert "mcp_demo.local.browser" in cure


def test_mail_of_the_user_pool_is_shown_and_its_code_comes_alone(stack: Run) -> None:
    cognito = Profile.local(stack.aws).cognito()
    address = "grace@example.com"
    cognito.sign_up(
        ClientId=stack.client_id,
        Username="grace",
        Password="Compiler-1952!",
        UserAttributes=[{"Name": "email", "Value": address}],
    )
    shown, code = _cli(stack, "mail", address), _cli(stack, "mail", address, "--code")
    assert address in shown.stdout
    assert code.returncode == 0 and code.stdout.strip() in shown.stdout and code.stdout.strip().isdigit()
    nothing = _cli(stack, "mail", "nobody@example.com", "--code")
    assert (nothing.returncode, nothing.stdout) == (1, "")
