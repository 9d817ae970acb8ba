"""The notebooks as the tests see them."""

import copy
import re
from functools import cache
from pathlib import Path
from typing import Any, cast

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("[01][0-9]_*.ipynb"))
TEXTS = sorted((NOTEBOOKS / "text").glob("*.py"))


def number(lesson: Path) -> str:
    """The two digits in front of its name."""
    return lesson.stem[:2]


@cache
def read(lesson: Path) -> Any:
    """The notebook; a dictionary, whatever nbformat calls it."""
    return nbformat.read(lesson, as_version=4)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def fresh(lesson: Path) -> Any:
    """The notebook without its outputs, to be run."""
    notebook = cast("dict[str, Any]", copy.deepcopy(read(lesson)))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return notebook


def cells(lesson: Path, kind: str) -> list[dict[str, Any]]:
    """The cells of one kind."""
    return [cell for cell in read(lesson)["cells"] if cell["cell_type"] == kind]


def prose(lesson: Path) -> str:
    """All that is said between the code."""
    return "\n\n".join(cell["source"] for cell in cells(lesson, "markdown"))


def said(output: dict[str, Any], kind: str = "text/plain") -> str:
    """What an output shows in one form."""
    if kind == "text/plain" and "text" in output:
        return "".join(output["text"])
    return "".join(output.get("data", {}).get(kind, ""))


def slug(heading: str) -> str:
    """The anchor that JupyterLab and code-hosting sites give a heading."""
    words = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return words.replace(" ", "-")


def kernel(lesson: Path) -> NotebookClient:
    """A fresh kernel, and the notebook to be run in it."""
    where = {"metadata": {"path": str(lesson.parent)}}
    return NotebookClient(fresh(lesson), timeout=180, kernel_name="python3", resources=where)


def leave_in_the_middle(lesson: Path) -> None:
    """Run the first half of the cells, then take the kernel away."""
    running = kernel(lesson)
    sources = running.nb.cells
    with running.setup_kernel():
        for place, cell in enumerate(sources[: len(sources) // 2]):
            running.execute_cell(cell, place)
