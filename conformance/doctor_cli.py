"""`mcp-demo doctor [URL]`: which layer keeps people out, why, and what to change (design §5).

With `--profile aws` it is not about a server: it looks whether a deployment to AWS would get through.

Exit codes: 0 nothing wrong · 1 something is · 2 usage · 4 nothing runs here, or there is no browser to sign in with.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from conformance import sign_in as sign_in_options
from conformance.requirements import LATEST, REVISIONS

if TYPE_CHECKING:
    from conformance.target import Target


def doctor(
    url: Annotated[str | None, typer.Argument(help="The MCP endpoint; without it, the running local system.")] = None,
    profile: Annotated[
        Literal["local", "aws"], typer.Option(help="With aws: look whether a deployment to AWS would get through.")
    ] = "local",
    revision: Annotated[str, typer.Option(help=f"Revision of MCP to go by: {', '.join(REVISIONS)}.")] = LATEST,
    client: Annotated[str | None, typer.Option(metavar="ID", help="A client that is registered already.")] = None,
    redirect_uri: Annotated[str | None, typer.Option(help="Its redirect URI.")] = None,
    allow_registration: Annotated[
        bool, typer.Option("--allow-registration", help="Register a client; it is deleted again where that is offered.")
    ] = False,
    sign_in: Annotated[
        str | None,
        typer.Option("--sign-in", metavar="NAME", help="Sign this user in; the password is in $MCP_PASSWORD."),
    ] = None,
    sign_in_script: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A script that signs in on pages that are not Cognito's.")
    ] = None,
    sign_in_at: sign_in_options.At = None,
    headed: Annotated[bool, typer.Option("--headed", help="Sign in yourself, in your browser.")] = False,
    token: Annotated[
        str | None, typer.Option(help="A valid access token, better given as $MCP_TOKEN.", envvar="MCP_TOKEN")
    ] = None,
    origin: Annotated[str | None, typer.Option(help="Origin of a browser page that is to call the server.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, alone on stdout.")] = False,
    state: Annotated[
        Path | None, typer.Option("--state", metavar="DIR", help="Folder of the run.  [$MCP_DEMO_STATE]")
    ] = None,
) -> None:
    """Say which layer keeps people out, why, and what to change."""
    from conformance import doctor as examination
    from conformance.doctor_findings import text_of
    from conformance.report.terminal import printable
    from conformance.sign_in import choose, known_client

    if profile == "aws":
        _preflight(url, as_json=as_json)
        return
    if revision not in REVISIONS:
        raise typer.BadParameter(f"{revision} is none of {', '.join(REVISIONS)}.", param_hint="--revision")
    target = _target(url, state, revision)
    target = replace(
        target,
        client=known_client(client, redirect_uri) or target.client,
        sign_in=choose(sign_in, sign_in_script, sign_in_at, target=target.url, headed=headed) or target.sign_in,
        person=headed,
        may_register=allow_registration or target.may_register,
        token=token or target.token,
        origin=origin or target.origin,
    )
    _announce(target)
    found = examination.examine(target)
    if as_json:
        typer.echo(json.dumps(found.document(), indent=2, ensure_ascii=False))
    else:
        typer.echo(printable("\n".join(text_of(found))))
    if found.exit_code:
        raise typer.Exit(found.exit_code)


def _preflight(url: str | None, *, as_json: bool) -> None:
    """Look whether a deployment to AWS would get through."""
    if url is not None:
        raise typer.BadParameter("A URL is examined without --profile aws.", param_hint="URL")
    from conformance import doctor_preflight
    from conformance.report.terminal import printable
    from mcp_demo.deploy.preflight import examine
    from mcp_demo.deploy.profile import Profile

    found = doctor_preflight.Preflight(tuple(examine(Profile.aws())))
    if as_json:
        typer.echo(json.dumps(found.document(), indent=2, ensure_ascii=False))
    else:
        typer.echo(printable("\n".join(found.lines())))
    if found.exit_code:
        raise typer.Exit(found.exit_code)


def _target(url: str | None, state: Path | None, revision: str) -> "Target":
    from conformance.target import Target

    if url is not None:
        return Target(_whole(url), revision)
    from conformance.stack import target_of
    from mcp_demo.settings import default_state

    return target_of(state or default_state(), revision)


def _whole(url: str) -> str:
    from mcp_demo.oauth.resource import is_uri

    if not is_uri(url) or not url.startswith(("https://", "http://")):
        raise typer.BadParameter(f"{url} is no http(s) URL. Give the URL of the MCP endpoint.", param_hint="URL")
    return url


def _announce(target: "Target") -> None:
    """Say beforehand what will be done besides reading."""
    if target.may_register:
        typer.echo("Registers a client, and deletes it again where that is offered.", err=True)
    if target.sign_in is not None:
        typer.echo("Signs somebody in once, and calls the server once with the token.", err=True)
