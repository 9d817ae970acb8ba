"""`mcp-demo conformance client`: judge a program that uses protected MCP servers."""

from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conformance import options
from conformance.requirements import LATEST

if TYPE_CHECKING:
    from conformance.result import Result

SETTINGS = {"allow_interspersed_args": False}
"""What follows the command is the command's own, options included."""


def client(
    command: Annotated[
        list[str], typer.Argument(metavar="COMMAND…", help="The client, after `--`; {url} or the end gets the URL.")
    ],
    revision: options.Revision = LATEST,
    select: options.Select = None,
    exclude: options.Exclude = None,
    level: options.Level = "all",
    limit: Annotated[float, typer.Option(min=1.0, help="Seconds that one run of the client may take.")] = 30.0,
    client_document: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The client's metadata document, if not public.")
    ] = None,
    report: options.Out = None,
    baseline: Annotated[Path | None, typer.Option(help="YAML file of known problems.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings and hardening count too.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the exchanges of every problem.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the summary.")] = False,
) -> None:
    """Judge a client: run it against servers of ours, helpful and hostile, and look at what it sends.

    It is run about fifty times, each time with a new server on this machine and an empty home folder. Signing in needs
    nobody: the browser of $BROWSER approves at once.
    """
    from conformance import baseline as baselines
    from conformance import catalogue, document
    from conformance.client_command import Command
    from conformance.client_run import judge_client
    from conformance.report.terminal import Terminal
    from conformance.target import Target

    forms = options.forms(report)
    chosen = options.chosen(options.selection(revision, select, exclude, ["client"], level))
    known = baselines.read(baseline, (check.id for check in catalogue.load())) if baseline else ()
    given = client_document.read_bytes() if client_document else None
    target = Target(_shown(command), revision, subject=Command(command, limit=limit), client_document=given)
    screen = Terminal(verbose=verbose)

    def progress(number: int, total: int, result: "Result") -> None:
        if not quiet:
            screen.result(number, total, document.result_of(result))

    found = judge_client(
        target, chosen, progress=progress, preflight_done=lambda found: screen.preflight(options.findings(found))
    )
    options.finish(replace(baselines.apply(found, known), strict=strict), forms, screen)


def _shown(command: list[str]) -> str:
    """The command as reports name it: without long options and what follows, which may be a secret."""
    shown = list(takewhile(lambda word: not word.startswith("--") and "=" not in word, command))
    return " ".join([*shown, "…"] if shown != command else shown)
