"""The command line. Exit codes: 0 fine, 1 the thing checked is not fine, 2 usage, 3 our own failure, 4 environment.

Commands import what they need when they run: `--help` and a refusal are immediate.
"""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from mcp_demo import registry_cli
from mcp_demo.terminal import announce, complain, note, own_failure, say

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
app.add_typer(registry_cli.app, name="clients")

State = Annotated[Path | None, typer.Option("--state", metavar="DIR", help="Folder of the run.  [$MCP_DEMO_STATE]")]
ProfileOption = Annotated[Literal["local", "aws"], typer.Option(help="The embedded AWS of a run, or AWS.")]
Headless = Annotated[bool, typer.Option("--headless", help="Sign the demo user in with a browser nobody sees.")]
ClientId = Annotated[
    str | None, typer.Option(help="A client id registered beforehand; secret: $MCP_DEMO_CLIENT_SECRET.")
]
IssuerOption = Annotated[
    str | None, typer.Option("--issuer", metavar="URL", help="The authorization server, where there are several.")
]
SignIn = Annotated[
    Literal["browser", "url", "headless", "machine", "stored"],
    typer.Option(
        "--sign-in",
        help="Your browser, a printed URL, a browser nobody sees ($MCP_DEMO_USERNAME, $MCP_DEMO_PASSWORD), the client "
        "for itself, or only what is stored.",
    ),
]
Store = Annotated[Literal["file", "keyring", "memory"], typer.Option(help="Where grants are kept.")]
Revision = Annotated[
    Literal["2025-06-18", "2025-11-25", "2026-07-28"], typer.Option(help="The newest revision of MCP to go by.")
]
Name = Annotated[str, typer.Option(help="Starts the names of all stacks.")]

if find_spec("conformance") is not None:  # an installation may leave the suite out
    from conformance.cli import app as conformance
    from conformance.doctor_cli import doctor

    app.add_typer(conformance)
    app.command()(doctor)


def main() -> None:
    """Run the command line; ends the process."""
    from mcp_demo.errors import SetupError

    try:
        app()
    except SetupError as error:
        complain(error.problem, error.cure)
        sys.exit(4)
    except Exception as error:
        sys.exit(own_failure(error, _folder(None) / "logs" / "cli.log"))


@app.command()
def up(
    detach: Annotated[bool, typer.Option("--detach", help="Leave it running, and return once it serves.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, alone on stdout.")] = False,
    port: Annotated[list[str] | None, typer.Option(metavar="NAME=N", help="Another port, like server=4001.")] = None,
    free_ports: Annotated[bool, typer.Option("--free-ports", help="Any ports that are free.")] = False,
    state: State = None,
    hosted: Annotated[Literal["local", "ministack"], typer.Option(help="Who serves the sign-in pages.")] = "local",
    server: Annotated[
        Literal["process", "lambda"],
        typer.Option(help="Run MCP server and bridge as processes, or as Lambda functions."),
    ] = "process",
) -> None:
    """Start everything on this machine: embedded AWS, server, bridge, clients. Ctrl-C ends it."""
    from mcp_demo.local import state as runs
    from mcp_demo.local.ports import Ports
    from mcp_demo.local.stack import Options, serve

    try:
        ports = (Ports.free() if free_ports else Ports()).changed(port or [])
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--port") from None
    options = Options(_folder(state), ports, hosted, server)
    try:
        if detach:
            from mcp_demo.local.detached import start

            announce(start(options), as_json=as_json)
        else:
            serve(options, say=note, ready=lambda run: announce(run, as_json=as_json, foreground=True))
    except runs.AlreadyRunning:
        running = _running(options.state)
        note("It is running already; `mcp-demo down` ends it.")
        announce(running, as_json=as_json)
    except KeyboardInterrupt:
        note("Stopped.")


@app.command()
def down(state: State = None) -> None:
    """End what `up` started."""
    from mcp_demo.local import state as runs

    note("Stopped." if runs.end(_folder(state)) else "Nothing is running.")


@app.command()
def deploy(
    profile: ProfileOption = "local",
    name: Name = "mcp-demo",
    mcp_url: Annotated[str | None, typer.Option(help="The MCP endpoint, on AWS.")] = None,
    bridge_url: Annotated[str | None, typer.Option(help="The bridge, on AWS.")] = None,
    static_url: Annotated[str | None, typer.Option(help="The pre-registered client, on AWS.")] = None,
    choose: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="STACK.PARAMETER=VALUE", help="A parameter of a template, like identity.Mfa=ON."),
    ] = None,
    harden: Annotated[bool, typer.Option("--harden", help="Alarms, dashboard and firewall, too.")] = False,
    demo_user: Annotated[bool, typer.Option("--demo-user", help="Make a user `demo` and print its password.")] = False,
    state: State = None,
) -> None:
    """Bring the CloudFormation stacks to the state of their templates, and write the settings of the parts."""
    from mcp_demo.deploy import choices
    from mcp_demo.deploy.files import env_folder
    from mcp_demo.deploy.profile import aws_failures
    from mcp_demo.deploy.system import deploy_system, is_deployed, is_serverless
    from mcp_demo.deploy.users import ensure_demo_user

    try:
        chosen = choices.read(choose or [])
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--set") from None
    target, endpoints = _target(profile, _folder(state), mcp_url, bridge_url, static_url)
    folder = env_folder(_folder(state), profile)
    with aws_failures():
        hardened = harden or "hardening" in chosen or is_deployed(target, name, "hardening")
        serverless = is_serverless(target, name) if profile == "local" else not (mcp_url or bridge_url)
    deployment = deploy_system(
        target, endpoints, folder, _progress, name, choices=chosen, serverless=serverless, hardened=hardened
    )
    note("Deployed." if deployment.changed else "Nothing changed.")
    note(f"Settings: {folder}")
    if demo_user:
        with aws_failures():
            user = ensure_demo_user(target.cognito(), deployment.outputs["UserPoolId"])
        say(f"{user.username} {user.password}")


@app.command()
def status(profile: ProfileOption = "local", name: Name = "mcp-demo", state: State = None) -> None:
    """Show what is deployed; exit code 1 if it is not complete."""
    from mcp_demo.deploy.profile import aws_failures
    from mcp_demo.deploy.stacks import find, outputs
    from mcp_demo.deploy.system import expected_stacks

    target, _ = _target(profile, _folder(state))
    fine = True
    with aws_failures():
        cloudformation = target.cloudformation()
        for stack in expected_stacks(target, name):
            found = find(cloudformation, stack)
            current = str(found["StackStatus"]) if found else "not deployed"
            fine = fine and current in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
            say(f"{stack}  {current}")
            for key, value in sorted(outputs(cloudformation, stack).items()):
                say(f"  {key}  {value}")
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
        note("Nothing is there.")
        return
    for line in (*(f"stack {stack}" for stack in found.stacks), *found.resources, *map(str, found.files)):
        say(line)
    if not yes:
        typer.confirm("Remove all of this, its users included?", abort=True, err=True)
    remove(target, name, found, _progress)
    left = take_inventory(target, name, folder)
    if not left.is_empty:
        complain("Still there: " + ", ".join((*left.stacks, *left.resources, *map(str, left.files))) + ".", "")
        raise typer.Exit(1)
    note("Nothing is left.")


@app.command()
def token(
    scope: Annotated[list[str] | None, typer.Option(help="Ask for this scope: read, write or a full one.")] = None,
    headless: Headless = False,
    state: State = None,
) -> None:
    """Print an access token for the running server, alone on stdout."""
    from mcp_demo.access import AccessFailed, fetch_token

    run = _running(_folder(state))
    try:
        say(fetch_token(run, scope or [], headless=headless))
    except AccessFailed as error:
        complain(error.problem, error.cure)
        raise typer.Exit(1) from None


@app.command()
def call(
    tool: Annotated[str, typer.Argument(help="Like whoami, list_contexts, add_context.")],
    arguments: Annotated[str, typer.Argument(metavar="[JSON]", help="Its arguments, as a JSON object.")] = "{}",
    headless: Headless = False,
    url: Annotated[str | None, typer.Option(help="Any MCP server, instead of the running one.")] = None,
    client_id: ClientId = None,
    issuer: IssuerOption = None,
    sign_in: SignIn = "browser",
    store: Store = "file",
    revision: Revision = "2026-07-28",
    state: State = None,
) -> None:
    """Call a tool of the running server, or of any other, authorizing as needed, and print what it answers."""
    from mcp_demo import access, connect

    try:
        parsed: Any = json.loads(arguments)
    except ValueError as error:
        raise typer.BadParameter(f"The arguments are no JSON: {error}.") from None
    if not isinstance(parsed, dict):
        raise typer.BadParameter('The arguments have to be a JSON object, like {"name": "notes"}.')
    given = cast("dict[str, Any]", parsed)
    try:
        if url is None:
            say(access.call(_running(_folder(state)), tool, given, headless=headless))
        else:
            way = "headless" if headless else sign_in
            say(connect.call(connect.Wishes(url, _folder(state), client_id, issuer, way, store, revision), tool, given))
    except access.AccessFailed as error:
        complain(error.problem, error.cure)
        raise typer.Exit(1) from None


@app.command("connect")
def connect_to(
    url: Annotated[str, typer.Argument(help="The endpoint of an MCP server.")],
    client_id: ClientId = None,
    issuer: IssuerOption = None,
    sign_in: SignIn = "browser",
    store: Store = "file",
    revision: Revision = "2026-07-28",
    full: Annotated[bool, typer.Option("--full", help="Show all that goes over the wire.")] = False,
    state: State = None,
) -> None:
    """Get into any MCP server, telling every step with secrets left out, and list its tools."""
    from mcp_demo import connect
    from mcp_demo.access import AccessFailed

    wishes = connect.Wishes(url, _folder(state), client_id, issuer, sign_in, store, revision)
    try:
        found = connect.tools(wishes, connect.narrate(note, full=full))
    except AccessFailed as error:
        complain(error.problem, error.cure)
        raise typer.Exit(1) from None
    for tool in found:
        say(f"{tool.name}  {' '.join((tool.description or '').split())}")


@app.command()
def mail(
    to: Annotated[str | None, typer.Argument(help="Only mail to this address.")] = None,
    code: Annotated[bool, typer.Option("--code", help="Print the newest code, alone on stdout.")] = False,
    state: State = None,
) -> None:
    """Show the mail that the user pool would have sent: confirmation and recovery codes. On AWS it is real mail."""
    from mcp_demo.local.domain.mailbox import read_mail

    mails = read_mail(_running(_folder(state)).aws, to)
    if code:
        newest = next((mail.code for mail in mails if mail.code), None)
        if newest is None:
            note("There is no mail with a code.")
            raise typer.Exit(1)
        say(newest)
        return
    for message in reversed(mails):
        say(f"{message.to}  {message.subject}\n  {message.text}\n")
    if not mails:
        note("There is no mail.")


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


def _progress(event: "Event") -> None:
    note(f"  {event.status}  {event.resource}  {event.type}  {event.reason}".rstrip())


def _folder(state: Path | None) -> Path:
    from mcp_demo.settings import default_state

    return (state or default_state()).expanduser().resolve()


if __name__ == "__main__":
    main()
