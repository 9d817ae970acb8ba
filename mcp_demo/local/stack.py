"""The whole system on this machine: embedded AWS, deployment, parts. What `mcp-demo up` and the tests start."""

import os
import signal
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.files import env_folder
from mcp_demo.errors import SetupError
from mcp_demo.local import children
from mcp_demo.local.children import Child, Part, PartFailed
from mcp_demo.local.ministack import MiniStack
from mcp_demo.local.ports import Ports
from mcp_demo.local.state import Run, ownership

Hosted = Literal["local", "ministack"]
"""Who serves the user-pool domain: our stand-in, or MiniStack's own endpoints, which bind no token to a resource."""

ServedBy = Literal["process", "lambda"]
"""What MCP server and bridge run as: processes of this machine, or Lambda functions in the embedded AWS."""

Say = Callable[[str], None]

_USUAL = Ports()
_FACTORIES = {
    "domain": "mcp_demo.local.domain.app:create_app",
    "server": "mcp_demo.server.app:create_app",
    "downstream": "mcp_demo.downstream:create_app",
    "bridge": "mcp_demo.bridge.app:create_app",
    "static": "mcp_demo.client.web.app:create_static",
    "auto": "mcp_demo.client.web.app:create_auto",
    "metadata": "mcp_demo.client.web.app:create_metadata",
}
_GATEWAY = "mcp_demo.local.gateway:create_app"
_ON_LAMBDA = frozenset(("server", "bridge"))
# The kinds of browser clients as `--json` names them, by the part that is one.
_CLIENTS = {"static": "static", "auto": "dcr", "metadata": "cimd"}
_WATCH_TURN = 0.3
_PORTS_COME_BACK = 5.0


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is started."""

    state: Path
    ports: Ports = _USUAL
    hosted: Hosted = "local"
    served_by: ServedBy = "process"

    @property
    def serverless(self) -> bool:
        """Whether server and bridge are Lambda functions."""
        return self.served_by == "lambda"

    @property
    def parts(self) -> list[Part]:
        """The parts of this run. In front of a Lambda function stands the host of its API."""
        return [
            Part(name, _GATEWAY if self.serverless and name in _ON_LAMBDA else factory, getattr(self.ports, name))
            for name, factory in _FACTORIES.items()
            if (name != "domain" or self.hosted == "local") and (name != "downstream" or self.delegates)
        ]

    @property
    def delegates(self) -> bool:
        """Whether there is an API behind the server: only our stand-in of the domain exchanges tokens."""
        return self.hosted == "local"

    @property
    def endpoints(self) -> Endpoints:
        """Where the parts of this run are served."""
        local, ports = self.hosted == "local", self.ports
        aws = _url(ports.aws)
        return Endpoints(
            mcp=f"{_url(ports.server)}/mcp",
            bridge=_url(ports.bridge),
            static=_url(ports.static),
            auto=_url(ports.auto),
            metadata=_url(ports.metadata),
            domain=_url(ports.domain) if local else aws,
            aws=aws,
            key_dir=self.state / "aws" / "cognito-pool-keys",
            audience="resource" if local else "scope",
            downstream=_url(ports.downstream) if self.delegates else None,
        )


@contextmanager
def running_stack(
    state: Path,
    ports: Ports | None = None,
    hosted: Hosted = "local",
    say: Say = lambda line: None,
    served_by: ServedBy = "process",
) -> Generator[Run]:
    """The whole system for the length of a `with` block; none of its processes outlives it.

    Args:
        state: Folder of this run.
        ports: Where the parts listen; the usual ports if not given.
        hosted: Who serves the user-pool domain.
        say: Told about progress, line by line.
        served_by: What server and bridge run as.

    Raises:
        SetupError: A taken port, an unwritable folder, a run under way in it.
        PartFailed: A part did not come up.
    """
    with started(Options(state.resolve(), ports or Ports(), hosted, served_by), say) as (run, _):
        yield run


def serve(options: Options, say: Say, ready: Callable[[Run], None]) -> NoReturn:
    """Run the system until told to stop by SIGINT, SIGTERM or SIGHUP, which end this with `KeyboardInterrupt`.

    Raises:
        SetupError: As of `running_stack`.
        PartFailed: A part did not come up, or ended while it should serve.
        KeyboardInterrupt: Told to stop; everything has ended.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    with started(options, say) as (run, parts):
        ready(run)
        while True:
            parts.require_running()
            time.sleep(_WATCH_TURN)


@dataclass(slots=True)
class Processes:
    """The processes of a run: what `run.pids` numbers."""

    ministack: MiniStack
    parts: list[Child]

    def restart(self, *names: str) -> None:
        """End parts and start them again, as an operator would; back once they answer.

        Raises:
            PartFailed: One does not come up again.
        """
        chosen = [child for child in self.parts if child.part.name in names]
        children.stop(chosen)
        for child in chosen:
            child.start_again()
        children.wait_until_healthy(chosen)

    def require_running(self) -> None:
        """Make sure that all of them are alive.

        Raises:
            PartFailed: One ended.
        """
        for child in self.parts:
            child.require_running()
        if not self.ministack.is_running():
            log = self.ministack.log
            raise PartFailed(f"The embedded AWS ended: {children.last_line(log)}", log)

    def pids(self) -> dict[str, int]:
        """Their process ids by part."""
        return {child.part.name: child.process.pid for child in self.parts} | {"aws": self.ministack.pid or 0}


@contextmanager
def started(options: Options, say: Say = lambda line: None) -> Generator[tuple[Run, Processes]]:
    """As `running_stack`, with a hand on its processes.

    Raises:
        SetupError: As of `running_stack`.
        PartFailed: A part did not come up.
    """
    with ownership(options.state) as left_behind, ExitStack() as cleanup:
        _require_ports(options, patience=_PORTS_COME_BACK if left_behind else 0.0)
        folder = _without_old_settings(options.state)
        processes = Processes(MiniStack(options.state, options.ports.aws), [])
        cleanup.callback(processes.ministack.stop)
        cleanup.callback(lambda: children.stop(processes.parts))
        say("Starting the embedded AWS and the parts")
        with ThreadPoolExecutor(max_workers=1) as background:
            booting = background.submit(processes.ministack.start)
            for part in options.parts:  # they import beside the deployment, and wait for their settings
                processes.parts.append(Child(part, options.state, folder))
            run = _deployed(options, processes, booting, folder, say)
        say("Waiting for the parts")
        children.wait_until_healthy(processes.parts)
        run.save()
        yield run, processes
        say("Stopping")


def _deployed(options: Options, processes: Processes, booting: Future[None], folder: Path, say: Say) -> Run:
    # Here, because importing boto3 takes as long as MiniStack takes to boot.
    from mcp_demo.deploy.choices import kept
    from mcp_demo.deploy.outputs import jwks_uri
    from mcp_demo.deploy.profile import Profile, aws_failures
    from mcp_demo.deploy.system import deploy_system
    from mcp_demo.deploy.users import ensure_demo_user

    profile = Profile.local(_url(options.ports.aws), processes.ministack.region)
    cognito = profile.cognito()
    booting.result()
    endpoints = options.endpoints
    deployment = deploy_system(
        profile,
        endpoints,
        folder,
        lambda event: say(f"  {event.status} {event.resource} {event.reason}".rstrip()),
        choices=kept(folder),
        serverless=options.serverless,
    )
    outputs = deployment.outputs
    with aws_failures():
        user = ensure_demo_user(cognito, outputs["UserPoolId"])
    return Run(
        server=endpoints.mcp,
        bridge=endpoints.bridge,
        clients={_CLIENTS[part.name]: _url(part.port) for part in options.parts if part.name in _CLIENTS},
        domain=endpoints.domain or "",
        aws=endpoints.aws or "",
        user=user,
        audience=endpoints.audience,
        issuer=outputs["Issuer"],
        jwks_uri=jwks_uri(outputs, endpoints),
        state=options.state,
        client_id=outputs["StaticClientId"],
        downstream=endpoints.downstream,
        pids={**processes.pids(), "supervisor": os.getpid()},
    )


def _require_ports(options: Options, patience: float) -> None:
    """Check the ports; the parts of a killed run take a moment to end, so theirs are waited for."""
    names = [part.name for part in options.parts] + ["aws"]
    deadline = time.monotonic() + patience
    while True:
        try:
            options.ports.require_free(names)
        except SetupError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_WATCH_TURN)
        else:
            return


def _without_old_settings(state: Path) -> Path:
    """The folder of the env files, without those of an earlier run, whose tokens end too: the parts wait for theirs."""
    folder = env_folder(state, "local")
    for old in (*folder.glob("*.env"), state / "tokens.json"):
        old.unlink(missing_ok=True)
    return folder


def _url(port: int) -> str:
    return f"http://localhost:{port}"


def _interrupt(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt
