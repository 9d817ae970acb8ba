"""The conformance suite in a lesson: its commands with what they print, bugs for it to find, a server to try it on."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import replace
from html import escape
from pathlib import Path

from mcp.server.mcpserver import MCPServer
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from typer.testing import CliRunner

from conformance import mutants
from conformance.mutants import matrix, planted
from conformance.mutants.reference import Loopback
from conformance.result import Report
from mcp_demo import cli
from mcp_demo.lab.box import FOLD, MONO, QUIET_TEXT, STRONG, box, element
from mcp_demo.lab.browsers import look
from mcp_demo.lab.display import Picture, Shown


def command(*words: object, folder: Path | None = None, lines: int | None = None) -> Shown:
    """Run a command of this project, and show what it prints and its exit code.

    Args:
        words: The command, `mcp-demo` or `pytest`, and its arguments.
        folder: Where it runs.
        lines: Show only that many of its last lines.
    """
    program, *rest = map(str, words)
    said, code = _PROGRAMS[program](rest, folder or Path())
    printed = said.strip().splitlines()
    kept = printed if lines is None or len(printed) <= lines else ["…", *printed[-lines:]]
    typed, end = f"$ {' '.join((program, *rest))}", f"exit code {code}"
    html = box(
        typed,
        element("p", f"{STRONG};{MONO}", escape(typed)),
        element(
            "pre",
            f"{FOLD};{MONO};color:inherit;white-space:pre-wrap;overflow-wrap:break-word;word-break:normal",
            escape("\n".join(kept)),
        ),
        element("p", f"{QUIET_TEXT};margin:6px 0 0", end),
    )
    return Shown(html, "\n".join((typed, *kept, end)))


def _mcp_demo(words: list[str], folder: Path) -> tuple[str, int]:
    """Within this process, for a second interpreter would take longer to start than most commands to run."""
    with (
        chdir(folder),
        ThreadPoolExecutor(1) as thread,
    ):  # a notebook has an event loop, beside which this needs its own
        result = thread.submit(CliRunner(env=_ENVIRONMENT).invoke, cli.app, words).result()
    return result.output, result.exit_code


def _pytest(words: list[str], folder: Path) -> tuple[str, int]:
    command = [sys.executable, "-m", "pytest", *words]
    environment = {**os.environ, **_ENVIRONMENT}
    found = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return found.stdout + found.stderr, found.returncode


_PLAIN = {"NO_COLOR": "1", "FORCE_COLOR": "", "COLUMNS": "92"}  # kernels ask for colours, which a page cannot show
_ENVIRONMENT = {**_PLAIN, "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:asyncio"}
_PROGRAMS: Mapping[str, Callable[[list[str], Path], tuple[str, int]]] = {"mcp-demo": _mcp_demo, "pytest": _pytest}


def picture(page: Path) -> Picture:
    """A report, as a browser shows it."""
    return replace(look(page.resolve().as_uri(), height=900), address=page.name)


def with_bug(name: str) -> Report:
    """The report on the reference MCP server with one planted bug, in process; your running system is not touched."""
    bug = mutants.find(name)
    with _quiet(), ThreadPoolExecutor(1) as thread:  # a notebook has an event loop, beside which this needs its own
        return thread.submit(matrix.judge_wrapped, bug.wrap, revision=bug.revision, host=bug.host).result()


def score(check: str) -> dict[str, str]:
    """The bugs planted for one check, each with the checks that turned red."""
    bugs = [bug for bug in matrix.MUTANTS if bug.check == check]
    found = {bug: planted.red(with_bug(bug.name)) for bug in bugs}
    return {bug.bug: f"{_CAUGHT[planted.is_killed(bug, red)]}: {', '.join(red)}" for bug, red in found.items()}


_CAUGHT = {True: "caught by", False: "NOT AS IT SHOULD BE"}


@contextmanager
def _quiet() -> Generator[None]:
    """Keep the reference from telling each attack that it refuses."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


class OwnServer:
    """An MCP server as the SDK's first example has it, a tool and no authorization, on a free port of this machine.

    Attributes:
        url: Its endpoint.
    """

    def __init__(self) -> None:
        server = MCPServer("mine")

        @server.tool()
        def add(a: int, b: int) -> int:  # pyright: ignore[reportUnusedFunction]
            """Add two numbers."""
            return a + b

        self._life = ExitStack()
        network = Loopback()
        port = self._life.enter_context(network.port())
        self.url = f"http://localhost:{port}/mcp"
        app = server.streamable_http_app(stateless_http=True, json_response=True)
        self._life.enter_context(network.serving(port, _posts_only(app)))

    def stop(self) -> str:
        """End it."""
        self._life.close()
        return f"{self.url} is gone."


def _posts_only(app: ASGIApp) -> ASGIApp:
    """Without sessions there is nothing to stream; the SDK would open a stream all the same, and never end it."""

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/mcp":
            await Response(status_code=405, headers={"allow": "POST"})(scope, receive, send)
        else:
            await app(scope, receive, send)

    return endpoint
