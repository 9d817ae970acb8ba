"""The suite's mode for authorization servers, over our running bridge.

It wants a client that is registered for `http://127.0.0.1:<port>/callback`, prints the address of the sign-in page, and
waits there for the browser. So we register one as any client does, and sign the demo user in with a real browser.
"""

import re
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx

from conformance.official.node import Toolchain
from conformance.official.scenarios import Outcome, Scenario, checks_in, outcome_of
from mcp_demo.client import discovery, registration
from mcp_demo.client.browser import HeadlessBrowser
from mcp_demo.client.drive import drive_sync
from mcp_demo.client.registration import Identity, Registration
from mcp_demo.local.state import Run

NAMES = ("authorization-server-metadata-endpoint", "authorization-code-grant")
_DEADLINE = 120


def run_bridge(tools: Toolchain, run: Run, browser: Path) -> list[Outcome]:
    """Run both scenarios over the bridge of a running system."""
    port = _free_port()
    redirect_uri = f"http://127.0.0.1:{port}/callback"
    registered = register(run, redirect_uri)
    with tempfile.TemporaryDirectory(prefix="mcp-official-") as folder:
        command = tools.command(
            *("authorization", "--url", run.bridge, "--client-id", registered.client_id, "--resource", run.server),
            *("--port", str(port), "--output-dir", folder),
        )
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as suite:
            try:
                _sign_in(suite, run, redirect_uri, browser)
                suite.communicate(timeout=_DEADLINE)
            finally:
                suite.kill()
        return [_outcome(Path(folder), name) for name in NAMES]


def register(run: Run, redirect_uri: str) -> Registration:
    """Register a client at the bridge, by our engine (RFC 7591)."""
    with httpx.Client(timeout=20) as http:
        metadata = drive_sync(discovery.server_metadata_of(run.bridge, run.server), http)
        who = Identity(client_name="Official conformance suite")
        return drive_sync(registration.register(who, metadata, redirect_uri, None, 0), http)


def _sign_in(suite: subprocess.Popen[str], run: Run, redirect_uri: str, browser: Path) -> None:
    url = _sign_in_page(iter(suite.stdout or ()))
    if url is None:
        return  # it ended without asking; what it wrote says why
    way = HeadlessBrowser(run.user.username, run.user.password, origins=[run.domain], executable=browser)
    callback = way(url, redirect_uri)
    # The browser may have been closed before its last request was out.
    with suppress(httpx.TransportError):
        httpx.get(callback, timeout=5)


def _sign_in_page(lines: Iterator[str]) -> str | None:
    return next((line.strip() for line in lines if re.match(r"https?://\S+[?&]response_type=code", line)), None)


def _outcome(folder: Path, name: str) -> Outcome:
    written = [place for place in folder.iterdir() if place.name.startswith(f"authorization-server-{name}")]
    scenario = Scenario("any", name, "authorization server")
    return outcome_of(scenario, checks_in(written[0]), 0) if written else Outcome(scenario, 0, 0, 0, "it did not run")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
