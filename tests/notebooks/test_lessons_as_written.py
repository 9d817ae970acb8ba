"""What is committed: the pair in step, the rhythm of words and code, no secret in outputs, links that lead on."""

import re
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import jupytext  # pyright: ignore[reportMissingTypeStubs]
import pytest
from lessons import LESSONS, NOTEBOOKS, TEXTS, cells, number, prose, read, said, slug

from mcp_demo.exchange.redact import redact_text
from mcp_demo.lab.route import STOPS

LARGEST = 300_000
LONGEST_CELL = 15
LONGEST_PROSE = 150
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_IMAGE = re.compile(r"!\[([^\]]*)\]")
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)

every_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)


def is_told(cell: dict[str, Any]) -> bool:
    """Whether the code tells the story: not that of a prediction, which is folded, nor of an exercise."""
    return not cell["source"].startswith("lab.predict(") and "lab.check(" not in cell["source"]


def test_every_notebook_has_its_text_and_its_place_on_the_map() -> None:
    assert [text.stem for text in TEXTS] == [lesson.stem for lesson in LESSONS]
    assert {lesson.stem for lesson in LESSONS} <= {stop.file for stop in STOPS}


@every_lesson
def test_a_notebook_is_what_its_text_says(lesson: Path) -> None:
    text: Any = jupytext.read(NOTEBOOKS / "text" / f"{lesson.stem}.py")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    written = [(cell["cell_type"], cell["source"]) for cell in text["cells"]]
    built = [(cell["cell_type"], cell["source"]) for cell in read(lesson)["cells"]]
    assert built == written, f"Run python notebooks/build.py {number(lesson)}"


@every_lesson
def test_cells_show_something_and_follow_one_another(lesson: Path) -> None:
    code = cells(lesson, "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        assert cell["outputs"], f"shows nothing: {cell['source']}"
        assert all(output["output_type"] != "error" for output in cell["outputs"]), cell["source"]
        assert all(said(output).strip() for output in cell["outputs"]), f"no words for: {cell['source']}"
        assert "tags" not in cell["metadata"], "a cell that must fail uses lab.expect_refusal"


@every_lesson
def test_code_is_short_and_never_without_a_word_between(lesson: Path) -> None:
    kinds = [cell["cell_type"] for cell in read(lesson)["cells"]]
    assert ("code", "code") not in set(pairwise(kinds))
    lengths = [len(cell["source"].splitlines()) for cell in cells(lesson, "code") if is_told(cell)]
    assert max(lengths) <= LONGEST_CELL
    assert median(lengths) <= 4
    for cell in cells(lesson, "code"):
        assert not re.search(r"^class |^\s*print\(", cell["source"], re.MULTILINE), cell["source"]


@every_lesson
def test_no_stretch_of_prose_is_long(lesson: Path) -> None:
    for cell in cells(lesson, "markdown"):
        plain = re.sub(
            r"<details>.*</details>|\|.*\||^#.*$|\([^)]*\)", "", cell["source"], flags=re.DOTALL | re.MULTILINE
        )
        assert len(plain.split()) <= LONGEST_PROSE, cell["source"][:60]


@every_lesson
def test_nothing_secret_is_shown(lesson: Path) -> None:
    text = lesson.read_text(encoding="utf-8")
    assert not re.search(r"eyJ[A-Za-z0-9_-]{20,}", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))
    for cell in cells(lesson, "code"):
        for output in cell["outputs"]:
            assert redact_text(said(output)) == said(output)
            tags_gone = re.sub(r"<[^>]*>", " ", said(output, "text/html"))
            assert not re.search(r"BEGIN [A-Z ]*PRIVATE KEY|(?i:password)\W{1,3}(?!hidden)\w{8,}", tags_gone)


@every_lesson
def test_a_notebook_is_small_and_needs_nothing_from_elsewhere(lesson: Path) -> None:
    assert len(lesson.read_bytes()) <= LARGEST
    for cell in cells(lesson, "code"):
        for output in cell["outputs"]:
            shown = said(output, "text/html")
            assert not re.search(r"<script|<link|\son\w+=|src=\"(?!data:)|url\(", shown), cell["source"]
            assert not re.search(r"<img(?![^>]*alt=\"[^\"]+\")", shown), cell["source"]
            assert not re.search(r"<svg(?![^>]*role=\"img\")", shown), cell["source"]


@every_lesson
def test_images_have_words(lesson: Path) -> None:
    assert all(len(words) >= 10 for words in _IMAGE.findall(prose(lesson)))


@every_lesson
def test_headings_descend_one_by_one_from_a_single_title(lesson: Path) -> None:
    levels = [len(marks) for marks, _ in headings(lesson)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@every_lesson
def test_a_notebook_opens_with_promise_needs_and_map_and_closes_with_questions(lesson: Path) -> None:
    first = cells(lesson, "markdown")[0]["source"]
    assert first.startswith(f"# {number(lesson)} · ")
    assert re.search(r"\*\*(In|Within) [^*]*(minutes|hour)[^*]*\*\*", first), "says what it takes, in bold"
    assert "*You need:*" in first
    assert any(f'lab.where("{number(lesson)}")' in cell["source"] for cell in cells(lesson, "code")[:2])
    assert prose(lesson).count("<details>") == prose(lesson).count("</details>") >= 5
    following = STOPS[STOPS.index(next(stop for stop in STOPS if stop.file == lesson.stem)) :][1:2]
    assert all(f"({stop.file}.ipynb" in prose(lesson) for stop in following)


@every_lesson
def test_links_lead_somewhere(lesson: Path) -> None:
    for target in _LINK.findall(prose(lesson)):
        assert not target.startswith("http:"), target
        if target.startswith("https:"):
            continue
        name, _, anchor = target.partition("#")
        found = lesson.parent / name if name else lesson
        assert found.exists() or any(found.name == f"{stop.file}.ipynb" for stop in STOPS), target
        if anchor and found.exists():
            assert anchor in anchors(found), target


def headings(lesson: Path) -> list[tuple[str, str]]:
    """All headings, those in code fences aside."""
    return _HEADING.findall(re.sub(r"```.*?```", "", prose(lesson), flags=re.DOTALL))


def anchors(document: Path) -> set[str]:
    """The anchors of a notebook or a Markdown document, in the two ways that viewers make them."""
    text = prose(document) if document.suffix == ".ipynb" else document.read_text(encoding="utf-8")
    found = [heading for _, heading in _HEADING.findall(text)]
    return {slug(heading) for heading in found} | {heading.replace(" ", "-") for heading in found}
