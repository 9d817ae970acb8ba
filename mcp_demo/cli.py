"""The command line. Exit codes: 0 fine, 1 the thing checked is not fine, 2 usage, 3 our own failure, 4 environment.

Commands import what they need when they run: `--help` and a refusal are immediate.
"""

import json
import sys
from importlib.util import find_spec
from typing import Annotated, Any, Literal, cast

import typer

from mcp_demo import deploy_cli, registry_cli
from mcp_demo.chosen_run import State, folder_of, running_in
from mcp_demo.terminal import announce, complain, note, own_failure, say

app = typer.Typer(
    name="mcp-demo",
    help="MCP authorization on AWS Cognito: run it here, deploy it, call it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(deploy_cli.app)
app.add_typer(registry_cli.app, name="clients")

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
SignInAt = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL",
        help="Where else than at the authorization endpoint's origin a browser nobody sees may type the password, such"
        " as the user pool's domain behind a bridge.",
    ),
]
Store = Annotated[Literal["file", "keyring", "memory"], typer.Option(help="Where grants are kept.")]
Revision = Annotated[
    Literal["2025-06-18", "2025-11-25", "2026-07-28"], typer.Option(help="The newest revision of MCP to go by.")
]

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
        sys.exit(own_failure(error, folder_of(None) / "logs" / "cli.log"))


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
    options = Options(folder_of(state), ports, hosted, server)
    try:
        if detach:
            from mcp_demo.local.detached import start

            announce(start(options), as_json=as_json)
        else:
            serve(options, say=note, ready=lambda run: announce(run, as_json=as_json, foreground=True))
    except runs.AlreadyRunning:
        running = running_in(options.state)
        note("It is running already; `mcp-demo down` ends it.")
        announce(running, as_json=as_json)
    except KeyboardInterrupt:
        note("Stopped.")


@app.command()
def down(state: State = None) -> None:
    """End what `up` started."""
    from mcp_demo.local import state as runs

    note("Stopped." if runs.end(folder_of(state)) else "Nothing is running.")


@app.command()
def token(
    scope: Annotated[list[str] | None, typer.Option(help="Ask for this scope: read, write or a full one.")] = None,
    headless: Headless = False,
    state: State = None,
) -> None:
    """Print an access token for the running server, alone on stdout."""
    from mcp_demo.access import AccessFailed, fetch_token

    run = running_in(folder_of(state))
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
    sign_in_at: SignInAt = None,
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
            say(access.call(running_in(folder_of(state)), tool, given, headless=headless))
        else:
            way = "headless" if headless else sign_in
            origins = _origins(sign_in_at)
            wishes = connect.Wishes(url, folder_of(state), client_id, issuer, way, store, revision, origins)
            say(connect.call(wishes, tool, given))
    except access.AccessFailed as error:
        complain(error.problem, error.cure)
        raise typer.Exit(1) from None


@app.command("connect")
def connect_to(
    url: Annotated[str, typer.Argument(help="The endpoint of an MCP server.")],
    client_id: ClientId = None,
    issuer: IssuerOption = None,
    sign_in: SignIn = "browser",
    sign_in_at: SignInAt = None,
    store: Store = "file",
    revision: Revision = "2026-07-28",
    full: Annotated[bool, typer.Option("--full", help="Show all that goes over the wire.")] = False,
    state: State = None,
) -> None:
    """Get into any MCP server, telling every step with secrets left out, and list its tools."""
    from mcp_demo import connect
    from mcp_demo.access import AccessFailed
    from mcp_demo.oauth.errors import printable

    origins = _origins(sign_in_at)
    wishes = connect.Wishes(url, folder_of(state), client_id, issuer, sign_in, store, revision, origins)
    try:
        found = connect.tools(wishes, connect.narrate(note, full=full))
    except AccessFailed as error:
        complain(error.problem, error.cure)
        raise typer.Exit(1) from None
    for tool in found:
        say(printable(f"{tool.name}  {' '.join((tool.description or '').split())}"))


def _origins(named: list[str] | None) -> tuple[str, ...]:
    from mcp_demo.client.browser import origin_of

    for url in named or ():
        if origin_of(url) is None:
            raise typer.BadParameter(f"{url} is no https URL, and none of this machine.", param_hint="--sign-in-at")
    return tuple(named or ())


@app.command()
def mail(
    to: Annotated[str | None, typer.Argument(help="Only mail to this address.")] = None,
    code: Annotated[bool, typer.Option("--code", help="Print the newest code, alone on stdout.")] = False,
    state: State = None,
) -> None:
    """Show the mail that the user pool would have sent: confirmation and recovery codes. On AWS it is real mail."""
    from mcp_demo.local.domain.mailbox import read_mail

    mails = read_mail(running_in(folder_of(state)).aws, to)
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


if __name__ == "__main__":
    main()
