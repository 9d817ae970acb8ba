"""What the commands of `mcp-demo conformance` share: their options, what they choose, and how they end."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from conformance.requirements import REVISIONS, SERVER_ROLES
from mcp_demo.errors import SetupError

if TYPE_CHECKING:
    from conformance.catalogue import Selection
    from conformance.check import Check
    from conformance.report.terminal import Terminal
    from conformance.requirements import Role
    from conformance.result import Report

ROLES: "dict[str, Role]" = {"rs": "resource-server", "as": "authorization-server", "client": "client"}
FORMS = ("json", "html", "junit", "sarif", "badge")

Revision = Annotated[str, typer.Option(help=f"Revision of MCP to judge by: {', '.join(REVISIONS)}.")]
Select = Annotated[
    list[str] | None,
    typer.Option(
        "--select", "-s", help="Only these: a check, its beginning (rs.challenge), a requirement, `RFC 9728`."
    ),
]
Exclude = Annotated[list[str] | None, typer.Option(help="Leave these out; written like --select.")]
RoleOption = Annotated[list[str] | None, typer.Option(help="Only this role: rs, as, client.")]
Level = Annotated[Literal["must", "all"], typer.Option(help="Only what is a MUST, or all.")]
Out = Annotated[
    list[str] | None, typer.Option("--report", metavar="FORM=FILE", help=f"Write a report: {', '.join(FORMS)}.")
]


def finish(report: "Report", forms: list[tuple[str, Path]], screen: "Terminal") -> None:
    """Write the reports of a run, show its verdict, and end with its exit code."""
    from conformance import document

    made = document.build(report)
    screen.summary(made, write_reports(made, forms))
    if report.exit_code:
        raise typer.Exit(report.exit_code)


def write_reports(made: dict[str, Any], forms: list[tuple[str, Path]]) -> list[str]:
    """Write a report in some forms; returns what was written."""
    from conformance.report import write

    for form, path in forms:
        try:
            write(made, form, path)
        except OSError as error:
            raise SetupError(f"{path} cannot be written: {error.strerror}.", "Choose another file.") from None
    return [f"{path} ({form})" for form, path in forms]


def findings(found: Any) -> list[dict[str, str]]:
    """The findings of a preflight, as the terminal takes them."""
    return [{"name": item.name, "status": item.state, "text": item.text} for item in found]


def selection(
    revision: str, select: list[str] | None, exclude: list[str] | None, role: list[str] | None, level: str
) -> "Selection":
    """What the options choose."""
    from conformance.catalogue import Selection

    if revision not in REVISIONS:
        raise typer.BadParameter(f"{revision} is none of {', '.join(REVISIONS)}.", param_hint="--revision")
    unknown = [name for name in role or [] if name not in ROLES and name not in ROLES.values()]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]} is none of {', '.join(ROLES)}.", param_hint="--role")
    roles: tuple[Role, ...] = tuple(ROLES.get(name) or cast("Role", name) for name in role or [])
    return Selection(revision, tuple(select or ()), tuple(exclude or ()), roles, level == "must")


def of_servers(selection: "Selection") -> "tuple[Check[Any], ...]":
    """The chosen checks that a URL can be judged by: those of servers."""
    from conformance import catalogue

    only_clients = {check.role for check in selection.of(catalogue.load())} == {"client"}
    if "client" in selection.roles or only_clients:
        raise typer.BadParameter("A client is judged as a command: mcp-demo conformance client -- COMMAND.")
    return chosen(replace(selection, roles=selection.roles or SERVER_ROLES))


def chosen(selection: "Selection") -> "tuple[Check[Any], ...]":
    """The checks that are chosen; misspelt selectors, and none at all, are the end."""
    from conformance import catalogue

    checks = catalogue.load()
    unknown = selection.unknown(checks)
    chosen = selection.of(checks)
    if unknown:
        typer.echo(f"No check is called, or begins with, {', '.join(unknown)}; `list` shows them all.", err=True)
    if not chosen:
        typer.echo("Nothing was selected.", err=True)
    if unknown or not chosen:
        raise typer.Exit(5)
    return chosen


def forms(given: list[str] | None) -> list[tuple[str, Path]]:
    """The forms of the report that are wanted, and where to."""
    pairs = [item.partition("=") for item in given or []]
    for form, _, path in pairs:
        if form not in FORMS or not path:
            raise typer.BadParameter(
                f"Write it as FORM=FILE, FORM being one of {', '.join(FORMS)}.", param_hint="--report"
            )
    return [(form, Path(path).expanduser()) for form, _, path in pairs]
