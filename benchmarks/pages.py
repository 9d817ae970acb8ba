"""Tables that a command puts into a page, between two marks."""

from pathlib import Path

_END = "<!-- end -->"


def with_tables(document: str, command: str, tables: str) -> str:
    """The page with what the command made of it; what stood there goes."""
    begin = f"<!-- made by `{command}` -->"
    before, mark, rest = document.partition(begin)
    if not mark:
        raise ValueError(f"the page has no place for {command}")
    return f"{before}{begin}\n\n{tables.strip()}\n\n{_END}{rest.partition(_END)[2]}"


def write(page: Path, command: str, tables: str) -> None:
    """Put the tables of a command into a page."""
    page.write_text(with_tables(page.read_text(encoding="utf-8"), command, tables), encoding="utf-8")
