"""The whole system on this machine, and a second authorization server that is neither Cognito nor ours.

    python examples/second_authorization_server/run.py

It starts what `mcp-demo up` starts, and `server.mjs` beside it, and lets the MCP server trust and advertise both.
"""

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx

from mcp_demo.deploy.files import env_folder
from mcp_demo.errors import SetupError
from mcp_demo.local.children import PartFailed
from mcp_demo.local.ports import Ports
from mcp_demo.local.stack import Options, started
from mcp_demo.local.state import Run
from mcp_demo.settings import default_state

HERE = Path(__file__).parent
PORT = 3010
_INSTALL = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
_INSTALL_DEADLINE, _START_DEADLINE = 300, 30


@contextmanager
def running(options: Options, port: int = PORT) -> Generator[tuple[Run, str]]:
    """Everything, for the length of a `with` block: the run, and the issuer of the second authorization server.

    Raises:
        SetupError: Node or npm are missing, or something does not start.
        PartFailed: A part of the system did not come up.
    """
    node = installed()
    with started(options) as (run, parts), second_server(node, run.server, port) as issuer:
        trusted = [{"issuer": issuer, "jwks_uri": f"{issuer}/jwks", "profile": "rfc9068"}]
        with (env_folder(run.state, "local") / "server.env").open("a", encoding="utf-8") as settings:
            settings.write(f"MCP_DEMO_AUTHORIZATION_SERVERS={json.dumps([run.bridge, issuer])}\n")
            settings.write(f"MCP_DEMO_MORE_ISSUERS={json.dumps(trusted)}\n")
        parts.restart("server")
        yield run, issuer


@contextmanager
def second_server(node: Path, mcp_url: str, port: int) -> Generator[str]:
    """`server.mjs` for the length of a `with` block; its issuer."""
    issuer = f"http://localhost:{port}"
    environment = {"PATH": os.environ["PATH"], "PORT": str(port), "MCP_URL": mcp_url}
    process = subprocess.Popen([node, "server.mjs"], cwd=HERE, env=environment, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _START_DEADLINE
        while not _answers(issuer):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SetupError(f"The second authorization server does not start on port {port}.", "Is it taken?")
            time.sleep(0.1)
        yield issuer
    finally:
        process.terminate()
        process.wait(10)


def installed() -> Path:
    """Install what `package-lock.json` pins, and say which Node to use: that of the lock file, else the system's.

    Raises:
        SetupError: There is no npm, or it cannot install.
    """
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise SetupError("The second authorization server needs Node 22 or newer, and npm.", "Install Node.")
    if not (HERE / "node_modules" / "oidc-provider").exists():
        done = subprocess.run(
            [npm, *_INSTALL], cwd=HERE, capture_output=True, text=True, timeout=_INSTALL_DEADLINE, check=False
        )
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
            raise SetupError(f"npm cannot install the second authorization server: {reason}", "Is npm online?")
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    packaged = HERE / "node_modules" / f"node-{platform.system().lower()}-{machine}" / "bin" / "node"
    return packaged if packaged.exists() else Path(node)


def main() -> int:
    """Run until told to stop."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running(Options(default_state(), Ports())) as (run, issuer):
            sys.stdout.write(
                f"{run.server} trusts {run.bridge} and {issuer} (any name and password); Ctrl-C ends it.\n"
            )
            sys.stdout.write(f"Try: mcp-demo connect {run.server}\n")
            sys.stdout.flush()
            signal.pause()
    except SetupError as error:
        sys.stderr.write(f"{error} {error.cure}\n")
        return 4
    except PartFailed as error:
        sys.stderr.write(f"{error}\n")
        return 3
    except KeyboardInterrupt:
        pass
    return 0


def _answers(issuer: str) -> bool:
    try:
        return httpx.get(f"{issuer}/.well-known/openid-configuration", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    sys.exit(main())
