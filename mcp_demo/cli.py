"""The command line. Exit codes: 0 fine, 1 the thing checked is not fine, 2 usage, 3 our own failure, 4 environment.

Commands import what they need when they run: `--help` and a refusal are immediate.
"""

import json
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from mcp_demo.deploy.endpoints import Endpoints
    from mcp_demo.deploy.profile import Profile
    from mcp_demo.deploy.stacks import Event
    from mcp_demo.local.state import Run

app = typer.Typer(
    name="mcp-demo",
    help="MCP authorization on AWS Cognito: run it here, deploy it, call it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

State = Annotated[Path | None, typer.Option("--state", metavar="DIR", help="Folder of the run.  [$MCP_DEMO_STATE]")]
ProfileOption = Annotated[Literal["local", "aws"], typer.Option(help="The embedded AWS of a run, or AWS.")]
Name = Annotated[str, typer.Option(help="Starts the names of all stacks.")]


def main() -> None:
    """Run the command line; ends the process."""
    from mcp_demo.errors import SetupError

    try:
        app()
    except SetupError as error:
        _complain(error.problem, error.cure)
        sys.exit(4)
    except Exception as error:
        sys.exit(_own_failure(error))


@app.command()
def up(
    detach: Annotated[bool, typer.Option("--detach", help="Leave it running, and return once it serves.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, alone on stdout.")] = False,
    port: Annotated[list[str] | None, typer.Option(metavar="NAME=N", help="Another port, like server=4001.")] = None,
    free_ports: Annotated[bool, typer.Option("--free-ports", help="Any ports that are free.")] = False,
    state: State = None,
    hosted: Annotated[Literal["local", "ministack"], typer.Option(help="Who serves the sign-in pages.")] = "local",
) -> None:
    """Start everything on this machine: embedded AWS, server, bridge, clients. Ctrl-C ends it."""
    from mcp_demo.local import state as runs
    from mcp_demo.local.ports import Ports
    from mcp_demo.local.stack import Options, serve

    try:
        ports = (Ports.free() if free_ports else Ports()).changed(port or [])
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--port") from None
    options = Options(_folder(state), ports, hosted)
    try:
        if detach:
            from mcp_demo.local.detached import start

            _announce(start(options), as_json=as_json)
        else:
            serve(options, say=_note, ready=lambda run: _announce(run, as_json=as_json, foreground=True))
    except runs.AlreadyRunning:
        running = _running(options.state)
        _note("It is running already; `mcp-demo down` ends it.")
        _announce(running, as_json=as_json)
    except KeyboardInterrupt:
        _note("Stopped.")


@app.command()
def down(state: State = None) -> None:
    """End what `up` started."""
    from mcp_demo.local import state as runs

    _note("Stopped." if runs.end(_folder(state)) else "Nothing is running.")


@app.command()
def deploy(
    profile: ProfileOption = "local",
    name: Name = "mcp-demo",
    mcp_url: Annotated[str | None, typer.Option(help="The MCP endpoint, on AWS.")] = None,
    bridge_url: Annotated[str | None, typer.Option(help="The bridge, on AWS.")] = None,
    static_url: Annotated[str | None, typer.Option(help="The pre-registered client, on AWS.")] = None,
    demo_user: Annotated[bool, typer.Option("--demo-user", help="Make a user `demo` and print its password.")] = False,
    state: State = None,
) -> None:
    """Bring the CloudFormation stacks to the state of their templates, and write the settings of the parts."""
    from mcp_demo.deploy.files import env_folder
    from mcp_demo.deploy.profile import aws_failures
    from mcp_demo.deploy.system import deploy_system
    from mcp_demo.deploy.users import ensure_demo_user

    target, endpoints = _target(profile, _folder(state), mcp_url, bridge_url, static_url)
    folder = env_folder(_folder(state), profile)
    deployment = deploy_system(target, endpoints, folder, _progress, name)
    _note("Deployed." if deployment.changed else "Nothing changed.")
    _note(f"Settings: {folder}")
    if demo_user:
        with aws_failures():
            user = ensure_demo_user(target.cognito(), deployment.outputs["UserPoolId"])
        _print(f"{user.username} {user.password}")


@app.command()
def status(profile: ProfileOption = "local", name: Name = "mcp-demo", state: State = None) -> None:
    """Show what is deployed; exit code 1 if it is not complete."""
    from mcp_demo.deploy.profile import aws_failures
    from mcp_demo.deploy.stacks import find, outputs
    from mcp_demo.deploy.system import STACKS, stack_name

    target, _ = _target(profile, _folder(state))
    fine = True
    with aws_failures():
        cloudformation = target.cloudformation()
        for stack in (stack_name(name, stack) for stack in STACKS):
            found = find(cloudformation, stack)
            current = str(found["StackStatus"]) if found else "not deployed"
            fine = fine and current in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
            _print(f"{stack}  {current}")
            for key, value in sorted(outputs(cloudformation, stack).items()):
                _print(f"  {key}  {value}")
    if not fine:
        raise typer.Exit(1)


@app.command()
def cleanup(
    profile: ProfileOption = "local",
    name: Name = "mcp-demo",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    state: State = None,
) -> None:
    """List what is deployed, ask, remove all of it, and prove that nothing is left."""
    from mcp_demo.deploy.cleanup import remove, take_inventory
    from mcp_demo.deploy.files import env_folder

    target, _ = _target(profile, _folder(state))
    folder = env_folder(_folder(state), profile)
    found = take_inventory(target, name, folder)
    if found.is_empty:
        _note("Nothing is there.")
        return
    for line in (*(f"stack {stack}" for stack in found.stacks), *found.resources, *map(str, found.files)):
        _print(line)
    if not yes:
        typer.confirm("Remove all of this, its users included?", abort=True, err=True)
    remove(target, found, _progress)
    left = take_inventory(target, name, folder)
    if not left.is_empty:
        _complain("Still there: " + ", ".join((*left.stacks, *left.resources, *map(str, left.files))) + ".", "")
        raise typer.Exit(1)
    _note("Nothing is left.")


def _target(
    profile: str, state: Path, mcp: str | None = None, bridge: str | None = None, static: str | None = None
) -> "tuple[Profile, Endpoints]":
    from mcp_demo.deploy.endpoints import Endpoints
    from mcp_demo.deploy.profile import Profile

    if profile == "aws":
        usual = Endpoints()
        chosen = Endpoints(mcp or usual.mcp, bridge or usual.bridge, static or usual.static)
        return Profile.aws(), chosen
    if mcp or bridge or static:
        raise typer.BadParameter("A local run has its own URLs; choose its ports with `mcp-demo up --port`.")
    run = _running(state)
    return Profile.local(run.aws), run.endpoints()


def _running(state: Path) -> "Run":
    from mcp_demo.errors import SetupError
    from mcp_demo.local.state import current

    run = current(state, wait=True)
    if run is None:
        raise SetupError("Nothing is running on this machine.", "Start it: mcp-demo up --detach")
    return run


def _announce(run: "Run", *, as_json: bool, foreground: bool = False) -> None:
    if as_json:
        _print(json.dumps(run.public()))
        return
    from rich.console import Console
    from rich.table import Table

    titles = {"static": "Client", "dcr": "Client that registers itself", "cimd": "Client with a metadata document"}
    table = Table.grid(padding=(0, 2))
    for kind, url in run.clients.items():
        table.add_row(f"[bold]{titles.get(kind, kind)}[/]", url)
    table.add_row("MCP server", run.server)
    table.add_row("Authorization bridge", run.bridge)
    table.add_row("User", f"{run.user.username}   password  [bold]{run.user.password}[/]")
    console = Console(soft_wrap=True, highlight=False)
    console.print(table)
    console.print("Ctrl-C ends it." if foreground else "mcp-demo down ends it.", style="dim")


def _progress(event: "Event") -> None:
    _note(f"  {event.status}  {event.resource}  {event.type}  {event.reason}".rstrip())


def _folder(state: Path | None) -> Path:
    from mcp_demo.settings import default_state

    return (state or default_state()).expanduser().resolve()


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _note(line: str) -> None:
    """Tell how it goes: on stderr, for stdout belongs to results."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _complain(problem: str, cure: str) -> None:
    _note("\n".join(line for line in (problem, cure) if line))


def _own_failure(error: Exception) -> int:
    """Say in one line what went wrong on our side; the whole story goes into a log. Returns the exit code."""
    known: Any = getattr(error, "log", None)
    if isinstance(known, Path):  # a part of the system failed and has its own log
        _complain(str(error), f"Its log: {known}")
        return 3
    from mcp_demo.deploy.files import write_private

    log = _folder(None) / "logs" / "cli.log"
    summary = " ".join(f"{type(error).__name__}: {error}".split())
    try:
        write_private(log, "".join(traceback.format_exception(error)))
    except Exception:
        _complain(f"This is our failure: {summary}", "")
    else:
        _complain(f"This is our failure: {summary}", f"The details are in {log}.")
    return 3


if __name__ == "__main__":
    main()
