"""`mcp-demo conformance`: run, client, list, explain, report, matrix, baseline.

Exit codes: 0 nothing found · 1 something is wrong with the target · 2 usage · 3 our own failure · 4 no target that can
be judged · 5 nothing was selected.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from conformance import client_cli, matrix_cli, options
from conformance import sign_in as sign_in_options
from conformance.requirements import LATEST

if TYPE_CHECKING:
    from conformance.check import Check
    from conformance.result import Result
    from conformance.target import Documents, Operation, Target

app = typer.Typer(
    name="conformance",
    help="Judge any MCP server's authorization: a verdict per requirement, with evidence, cause and cure.",
    no_args_is_help=True,
    add_completion=False,
)


@app.command()
def run(
    url: Annotated[str | None, typer.Argument(help="The MCP endpoint. With --stack it can be left out.")] = None,
    revision: options.Revision = LATEST,
    select: options.Select = None,
    exclude: options.Exclude = None,
    role: options.RoleOption = None,
    level: options.Level = "all",
    token: Annotated[
        str | None, typer.Option(help="A valid access token, better given as $MCP_TOKEN.", envvar="MCP_TOKEN")
    ] = None,
    stack: Annotated[Path | None, typer.Option(help="State folder of a local run, whose issuer may be used.")] = None,
    operation: Annotated[
        str | None, typer.Option(metavar="TOOL[=JSON]", help="A tool call that needs more than the basic scopes.")
    ] = None,
    origin: Annotated[str | None, typer.Option(help="Origin of a browser page that may call the server.")] = None,
    anonymous: Annotated[
        list[str] | None, typer.Option(metavar="METHOD", help="A JSON-RPC method that is open to all on purpose.")
    ] = None,
    allow_registration: Annotated[
        bool,
        typer.Option("--allow-registration", help="Register clients; they are deleted again where that is offered."),
    ] = False,
    host_documents: Annotated[
        bool, typer.Option("--host-documents", help="Serve client metadata documents on this machine's loopback.")
    ] = False,
    client: Annotated[str | None, typer.Option(metavar="ID", help="A client that is registered already.")] = None,
    redirect_uri: Annotated[str | None, typer.Option(help="Its redirect URI.")] = None,
    sign_in: Annotated[
        str | None,
        typer.Option("--sign-in", metavar="NAME", help="Sign this user in; the password is in $MCP_PASSWORD."),
    ] = None,
    sign_in_script: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A script that signs in on pages that are not Cognito's.")
    ] = None,
    sign_in_at: sign_in_options.At = None,
    headed: Annotated[bool, typer.Option("--headed", help="Sign in yourself, in your browser, when asked to.")] = False,
    report: options.Out = None,
    baseline: Annotated[Path | None, typer.Option(help="YAML file of known problems.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings and hardening count too.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the exchanges of every problem.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the summary.")] = False,
) -> None:
    """Judge a target."""
    from conformance import baseline as baselines
    from conformance import catalogue, document
    from conformance.report.terminal import Terminal
    from conformance.run import judge
    from conformance.sign_in import choose, known_client

    forms = options.forms(report)
    chosen = options.of_servers(options.selection(revision, select, exclude, role, level))
    known = baselines.read(baseline, (check.id for check in catalogue.load())) if baseline else ()
    target = _target(url, stack, revision)
    target = replace(
        target,
        token=token or target.token,
        operation=_operation(operation) or target.operation,
        origin=origin or target.origin,
        may_register=allow_registration or target.may_register,
        documents=_documents() if host_documents else target.documents,
        client=known_client(client, redirect_uri) or target.client,
        sign_in=choose(sign_in, sign_in_script, sign_in_at, target=target.url, headed=headed) or target.sign_in,
        person=headed,
        anonymous=frozenset(anonymous or ()),
    )
    screen = Terminal(verbose=verbose)

    def progress(number: int, total: int, result: "Result") -> None:
        if not quiet:
            screen.result(number, total, document.result_of(result))

    found = judge(
        target, chosen, progress=progress, preflight_done=lambda found: screen.preflight(options.findings(found))
    )
    options.finish(replace(baselines.apply(found, known), strict=strict), forms, screen)


app.command("client", context_settings=client_cli.SETTINGS)(client_cli.client)


@app.command("list")
def list_checks(
    revision: options.Revision = LATEST,
    select: options.Select = None,
    exclude: options.Exclude = None,
    role: options.RoleOption = None,
    level: options.Level = "all",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the checks."""
    from conformance import document

    chosen = options.chosen(options.selection(revision, select, exclude, role, level))
    if as_json:
        typer.echo(json.dumps([document.describe(check) for check in chosen], indent=2, ensure_ascii=False))
        return
    for check in chosen:
        needs = f"  needs {', '.join(sorted(check.needs))}" if check.needs else ""
        names = ", ".join(requirement.id for requirement in check.requirements)
        typer.echo(f"{check.id}  {check.title}\n    {names}{needs}{'  excluded' if check.excluded else ''}")


@app.command()
def explain(identifier: Annotated[str, typer.Argument(metavar="ID", help="A check or a requirement.")]) -> None:
    """Say what a check judges, why, how, how people get it wrong and how to put it right."""
    from conformance import catalogue
    from conformance.requirements import load

    checks = [check for check in catalogue.load() if catalogue.fits(identifier, check)]
    if not checks:
        requirement = load().get(identifier)
        if requirement is None:
            raise typer.BadParameter(f"There is no check and no requirement {identifier}; `list` shows them all.")
        typer.echo(f"{requirement.id}  {requirement.level}\n{requirement.text}\n\nNo check judges it yet.")
        return
    typer.echo("\n\n".join(_explained(check) for check in checks))


@app.command("report")
def make_report(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="The JSON report of a run.")],
    report: options.Out = None,
) -> None:
    """Make other forms of a report from its JSON form, and show its summary."""
    from conformance.report.terminal import Terminal

    stored = matrix_cli.read(source)
    Terminal().summary(stored, options.write_reports(stored, options.forms(report)))


app.command("matrix")(matrix_cli.matrix)


@app.command("baseline")
def make_baseline(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="The JSON report of a run.")],
) -> None:
    """Print a baseline that lists the problems of a report, for you to give reasons."""
    from conformance import baseline as baselines

    typer.echo(baselines.draft(matrix_cli.read(source)), nl=False)


def _target(url: str | None, stack: Path | None, revision: str) -> "Target":
    from conformance.target import Target

    if stack is not None:
        from conformance.stack import target_of

        target = target_of(stack, revision)
        return target if url is None else replace(target, url=url)
    if url is None:
        raise typer.BadParameter("Give the URL of an MCP endpoint, or --stack.", param_hint="URL")
    return Target(url, revision)


def _documents() -> "Documents":
    from conformance.documents import LoopbackDocuments

    return LoopbackDocuments()


def _operation(given: str | None) -> "Operation | None":
    from conformance.target import Operation

    if given is None:
        return None
    tool, equals, arguments = given.partition("=")
    try:
        parsed: Any = json.loads(arguments) if equals else {}
    except ValueError as error:
        raise typer.BadParameter(f"The arguments are no JSON: {error}.", param_hint="--operation") from None
    if not isinstance(parsed, dict):
        raise typer.BadParameter("The arguments have to be a JSON object.", param_hint="--operation")
    return Operation(tool, cast("dict[str, Any]", parsed), f"Calls the tool {tool} as given with --operation.")


def _explained(check: "Check[Any]") -> str:
    parts = [f"{check.id}\n{check.title}"]
    for requirement in check.requirements:
        applies = f"{requirement.level}, {requirement.since} to {requirement.until or 'now'}"
        parts.append(f"What        {requirement.id} ({applies})\n            {requirement.text}")
        parts.append(f"Where       {requirement.source}")
        parts.append(f"How tested  {requirement.how}")
        parts.append(f"Often wrong {requirement.violation}")
        parts += [f"Only if     {requirement.when}"] if requirement.when else []
        parts += [f"Note        {requirement.note}"] if requirement.note else []
    rows = (
        ("Why", check.why),
        ("Fix", check.fix),
        ("Cognito", check.cognito),
        (
            "Needs",
            ", ".join(sorted(check.needs)) or f"nothing but the {'command' if check.role == 'client' else 'URL'}",
        ),
        ("Excluded", check.excluded),
    )
    return "\n".join([*parts, *(f"{name:<11} {text}" for name, text in rows if text)])
