"""`mcp-demo conformance matrix`: several reports side by side."""

import json
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from mcp_demo.errors import SetupError

_SCHEMA = Path(__file__).with_name("report") / "schema-1.json"


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
    """A report that was written before, held against its schema.

    Raises:
        BadParameter: It is none.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match  # pyright: ignore[reportUnknownVariableType]

    try:
        found: Any = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{source} cannot be read: {error}.") from None
    schema: Any = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    validator: Any = cast("Any", Draft202012Validator)(schema)  # it has no types
    wrong: Any = cast("Any", best_match)(validator.iter_errors(found))
    if wrong is not None:
        where = ".".join(str(part) for part in wrong.absolute_path) or "the whole"
        words = " ".join(wrong.message.split())
        raise typer.BadParameter(f"{source} is no report of this suite: {where}: {words:.200}.")
    return cast("dict[str, Any]", found)
