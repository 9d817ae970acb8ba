"""Every notebook stands alone: last to first on one system, each after it was left in the middle."""

from pathlib import Path

import pytest
from lessons import LESSONS, kernel, leave_in_the_middle

from mcp_demo.local import state
from mcp_demo.local.state import Run

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.mark.parametrize("lesson", LESSONS[::-1], ids=lambda lesson: lesson.stem)
def test_a_notebook_left_in_the_middle_runs_from_the_top_after_all_later_ones(
    lesson: Path, stack: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCP_DEMO_STATE", str(stack.state))
    leave_in_the_middle(lesson)
    kernel(lesson).execute()
    assert state.current(stack.state) is not None
