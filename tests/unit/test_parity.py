"""`docs/parity.md` says what rows and tests say."""

import runpy
import tomllib
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PARITY = runpy.run_path(str(DOCS / "parity.py"))


def test_the_committed_table_is_the_one_that_rows_and_tests_make() -> None:
    assert (DOCS / "parity.md").read_text(encoding="utf-8") == PARITY["render"](), "run `make parity`"


def test_every_row_is_whole_and_named_once() -> None:
    files: list[Path] = list(PARITY["SECTIONS"].values())
    rows = [row for file in files for row in tomllib.loads(file.read_text(encoding="utf-8"))["behaviour"]]
    assert len({row["id"] for row in rows}) == len(rows)
    assert all(row.keys() == {"id", "title", "page", "aws", "ministack", "ours", "tests"} for row in rows)
