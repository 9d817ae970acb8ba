"""The running local system as a target of which everything is allowed: its state folder holds its issuer's keys."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from conformance.documents import LoopbackDocuments
from conformance.issuer import TestIssuer
from conformance.requirements import LATEST
from conformance.target import KnownClient, Operation, Target
from conformance.traveller import BrowserTraveller
from mcp_demo import cognito
from mcp_demo.errors import SetupError
from mcp_demo.local.browser import find
from mcp_demo.local.ports import Ports
from mcp_demo.local.state import Run, current

_UNREACHABLE = "http://127.0.0.1:1/jwks.json"
_START = 60.0


def target_of(state: Path, revision: str = LATEST) -> Target:
    """The MCP server of a run, with tokens of its user pool and a tool that needs more than the basic scope.

    Raises:
        SetupError: Nothing runs from that folder, or it holds no keys.
    """
    run = current(state.expanduser().resolve(), wait=True)
    if run is None:
        raise SetupError(f"Nothing runs from {state}.", "Start it: mcp-demo up --detach, or give another --stack.")
    return Target(
        run.server,
        revision,
        issuer=issuer_of(run),
        operation=Operation(
            "add_context",
            {"name": "conformance", "text": "stored by the conformance suite"},
            "Stores a few contexts for a user that exists only in our tokens.",
        ),
        origin=run.endpoints().origins[0],
        cold_start=_cold_start(run) if _is_process(run) else None,
        sign_in=BrowserTraveller(
            run.user.username, run.user.password, target=run.server, executable=find, origins=[run.domain]
        ),
        may_register=True,
        client=KnownClient(run.client_id, f"{run.clients['static']}/callback") if "static" in run.clients else None,
        documents=LoopbackDocuments(),
    )


def issuer_of(run: Run) -> TestIssuer:
    """The user pool as a test issuer.

    Raises:
        SetupError: Its key cannot be read, or is not the one it publishes.
    """
    pool = run.issuer.rpartition("/")[2]
    file = run.state / "aws" / "cognito-pool-keys" / f"{pool}-access.pem"
    try:
        published: list[dict[str, Any]] = httpx.get(run.jwks_uri, timeout=5, trust_env=False).json()["keys"]
        pem = file.read_bytes()
        key = RSAKey.import_key(pem)
        kid = next(item["kid"] for item in published if item.get("n") == key.as_dict(private=False)["n"])
        named = RSAKey.import_key(pem, {"kid": str(kid)})
    except (OSError, ValueError, KeyError, StopIteration, httpx.HTTPError, JoseError) as error:
        raise SetupError(
            f"The user pool's key in {file} cannot be used: {type(error).__name__}.", "Restart it: mcp-demo down, up."
        ) from None
    return TestIssuer(run.issuer, named, run.server, cognito.scopes(run.server), run.audience)


def _is_process(run: Run) -> bool:
    """Whether the MCP server runs as a process; else its settings are of the host of a Lambda function."""
    return "MCP_DEMO_JWKS_URI" in (run.state / "env" / "server.env").read_text(encoding="utf-8")


def _cold_start(run: Run) -> Callable[[], AbstractContextManager[str]]:
    """Starts a second copy of the MCP server, from the same settings, that cannot reach its keys."""

    @contextmanager
    def start() -> Generator[str]:
        port = Ports.free().server
        environment = {
            **os.environ,
            "MCP_DEMO_ENV_FILE": str(run.state / "env" / "server.env"),
            "MCP_DEMO_JWKS_URI": _UNREACHABLE,
            "MCP_DEMO_ALLOWED_HOSTS": f'["localhost:{port}"]',
        }
        command = [sys.executable, "-m", "mcp_demo.local.run", "mcp_demo.server.app:create_app", "--port", str(port)]
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _wait(f"http://localhost:{port}/health", process)
            yield f"http://localhost:{port}/mcp"
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=_START)

    return start


def _wait(health: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START
    with httpx.Client(timeout=1, trust_env=False) as http:  # one for all: to make a client is dear
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if http.get(health).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)
    raise SetupError("A second copy of the MCP server does not start.", "Look into the server's log.")
