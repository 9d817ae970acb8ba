"""`mcp-demo conformance matrix`: several reports side by side."""

import json
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from mcp_demo.errors import SetupError


def matrix(
    sources: Annotated[list[Path], typer.Argument(metavar="FILE…", help="JSON reports of runs.")],
    html: Annotated[Path, typer.Option(metavar="FILE", help="Where to write the page.")] = Path("matrix.html"),
) -> None:
    """Compare several targets: one HTML page of checks × targets, what is wrong first."""
    from conformance.report import matrix

    try:
        html.write_text(matrix.render([read(source) for source in sources]), encoding="utf-8")
    except OSError as error:
        raise SetupError(f"{html} cannot be written: {error.strerror}.", "Choose another file.") from None
    typer.echo(f"written: {html}")


def read(source: Path) -> dict[str, Any]:
    """A report that was written before.

    Raises:
        BadParameter: It is none.
    """
    from conformance import document

    try:
        found: Any = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{source} cannot be read: {error}.") from None
    if not isinstance(found, dict) or cast("dict[str, Any]", found).get("schema") != document.SCHEMA_VERSION:
        raise typer.BadParameter(f"{source} is no report of this suite.")
    return cast("dict[str, Any]", found)
