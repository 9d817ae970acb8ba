"""Every notebook runs headless from the top, in a fresh kernel, one after the other on one system."""

from collections.abc import Generator
from pathlib import Path

import pytest
from lessons import LESSONS, kernel

from mcp_demo.local import state
from mcp_demo.local.state import Run

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def empty_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """A state folder in which nothing runs; what a notebook starts in it ends with the test."""
    monkeypatch.setenv("MCP_DEMO_STATE", str(tmp_path))
    yield tmp_path
    state.end(tmp_path)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_a_notebook_runs_from_the_top_and_leaves_the_system_running(
    lesson: Path, stack: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCP_DEMO_STATE", str(stack.state))
    kernel(lesson).execute()
    assert state.current(stack.state) is not None


def test_a_notebook_starts_the_system_where_none_runs_and_says_so_in_one_line(empty_state: Path) -> None:
    running = kernel(LESSONS[0])
    cells = [cell for cell in running.nb.cells if "lab.start()" in cell["source"] or "import lab" in cell["source"]]
    with running.setup_kernel():
        for place, cell in enumerate(cells):
            running.execute_cell(cell, place)
    said = [output["text"] for cell in cells for output in cell["outputs"] if "text" in output]
    assert said == ["Starting the system, this takes a few seconds …\n"]
    assert state.current(empty_state) is not None
