"""The notebooks run headless, from the top, in a fresh kernel; and what is committed is what they show."""

import re
from collections.abc import Generator
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import nbformat
import pytest
from nbclient import NotebookClient

from mcp_demo.exchange.redact import redact_text
from mcp_demo.local import state
from mcp_demo.local.state import Run

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
LARGEST = 300_000
LONGEST_CELL = 15


def read(notebook: Path) -> Any:
    """The notebook; a dictionary, whatever nbformat calls it."""
    return nbformat.read(notebook, as_version=4)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def cells(notebook: Path, kind: str) -> list[dict[str, Any]]:
    """The cells of one kind."""
    return [cell for cell in read(notebook)["cells"] if cell["cell_type"] == kind]


def run_all(notebook: Path) -> None:
    NotebookClient(read(notebook), timeout=120, kernel_name="python3").execute(cwd=str(notebook.parent))


@pytest.fixture
def empty_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """A state folder in which nothing runs; what a notebook starts in it ends with the test."""
    monkeypatch.setenv("MCP_DEMO_STATE", str(tmp_path))
    yield tmp_path
    state.end(tmp_path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_the_top_on_the_running_system(
    notebook: Path, stack: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCP_DEMO_STATE", str(stack.state))
    run_all(notebook)
    assert state.current(stack.state) is not None, "the notebook must leave the system running"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_notebook_starts_the_system_where_none_runs(empty_state: Path) -> None:
    run_all(NOTEBOOKS[0])
    assert state.current(empty_state) is not None


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_committed_notebook_shows_its_outputs_and_no_secret(notebook: Path) -> None:
    text = notebook.read_text(encoding="utf-8")
    assert len(text.encode()) <= LARGEST
    assert not re.search(r"eyJ[A-Za-z0-9_-]{20,}", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))
    for cell in cells(notebook, "code"):
        assert cell["outputs"], cell["source"]
        for output in cell["outputs"]:
            shown = "".join(cast("dict[str, Any]", output.get("data", {})).get("text/plain", ""))
            assert redact_text(shown) == shown


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_are_short_and_never_follow_one_another_without_a_word(notebook: Path) -> None:
    kinds = [cell["cell_type"] for cell in read(notebook)["cells"]]
    assert ("code", "code") not in set(pairwise(kinds))
    assert all(len(cell["source"].splitlines()) <= LONGEST_CELL for cell in cells(notebook, "code"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_to_files_lead_to_files(notebook: Path) -> None:
    for cell in cells(notebook, "markdown"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", cell["source"]):
            assert (notebook.parent / target).exists(), target
