"""Where a known target plays: our running system, with the target in the place of our MCP server.

So the user pool already knows the resource, its scopes and its user, and nothing about them has to be invented.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from conformance.targets.known import Known, Unavailable
from mcp_demo import cognito
from mcp_demo.deploy.profile import Profile
from mcp_demo.local import children
from mcp_demo.local.ports import Ports
from mcp_demo.local.stack import Options, started
from mcp_demo.local.state import Run

_START = 120.0
_STOP = 5.0
_TURN = 0.05


@dataclass(frozen=True, slots=True)
class Stage:
    """The running system without its MCP server."""

    run: Run
    _clients: dict[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])

    def environment(self, known: Known) -> dict[str, str]:
        """What a recipe is told."""
        run = self.run
        told = {
            "TARGET_URL": run.server,
            "TARGET_ISSUER": run.issuer,
            "TARGET_JWKS_URI": run.jwks_uri,
            "TARGET_AUTHORIZATION_SERVER": run.issuer if known.authorization_server == "pool" else run.bridge,
            "TARGET_DOMAIN": run.domain,
            "TARGET_SCOPE": cognito.scopes(run.server)[0],
        }
        return {**told, **self._app_client()} if known.authorization_server == "itself" else told

    def _app_client(self) -> Mapping[str, str]:
        """An app client for a target that is a client of the user pool itself."""
        if "one" not in self._clients:
            parts = urlsplit(self.run.server)
            made = (
                Profile.local(self.run.aws)
                .cognito()
                .create_user_pool_client(
                    UserPoolId=self.run.issuer.rpartition("/")[2],
                    ClientName="Known target",
                    GenerateSecret=True,
                    AllowedOAuthFlowsUserPoolClient=True,
                    AllowedOAuthFlows=["code"],
                    AllowedOAuthScopes=["openid", *cognito.scopes(self.run.server)],
                    CallbackURLs=[f"{parts.scheme}://{parts.netloc}/auth/callback"],
                    SupportedIdentityProviders=["COGNITO"],
                )["UserPoolClient"]
            )
            self._clients["one"] = {
                "TARGET_CLIENT_ID": made.get("ClientId", ""),
                "TARGET_CLIENT_SECRET": made.get("ClientSecret", ""),
            }
        return self._clients["one"]

    @contextmanager
    def playing(self, known: Known) -> Generator[None]:
        """Run a target for the length of a `with` block.

        Raises:
            Unavailable: It does not come up.
        """
        command = known.command()
        log = self.run.state / "logs" / f"{known.name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                env={**os.environ, **self.environment(known)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait(process, log)
            yield
        finally:
            _stop(process)

    def _wait(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        deadline = time.monotonic() + _START
        while time.monotonic() < deadline and process.poll() is None:
            try:
                httpx.post(self.run.server, timeout=5, trust_env=False)
            except httpx.HTTPError:
                time.sleep(_TURN)
            else:
                return
        raise Unavailable(f"It does not start: {children.last_line(log)}")


@contextmanager
def stage() -> Generator[Stage]:
    """The running system without its MCP server, for the length of a `with` block."""
    with tempfile.TemporaryDirectory(prefix="mcp-targets-") as folder:
        options = Options(Path(folder).resolve(), Ports.free())
        with started(options) as (run, processes):
            server = [child for child in processes.parts if child.part.name == "server"]
            children.stop(server)
            processes.parts.remove(server[0])
            yield Stage(run)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
