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


def test_what_a_test_uses_says_what_it_proves() -> None:
    known = PARITY["tests"]()

    def label(*names: str) -> str:
        return PARITY["_proof"]({"tests": names}, known).split("*:")[0].strip("*").partition("*")[0]

    emulator, stand_in = "test_a_change_updates_the_stack", "test_a_linked_person_signs_in_to_the_profile_here"
    by_browser, alone = "test_a_session_signs_in_without_a_page_for_an_hour", "test_every_row_is_whole_and_named_once"
    assert label(emulator) == "proven on the emulator"
    assert label(stand_in) == label(by_browser) == label(emulator, stand_in) == "proven on our stand-in"
    assert label(alone) == label() == "documented, not proven"
    assert label(alone, emulator) == "proven on the emulator"
