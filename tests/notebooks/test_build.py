"""A rebuild changes a notebook only where something changed that means something."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import nbformat
import pytest
from lessons import NOTEBOOKS

from mcp_demo.local.state import Run

sys.path.insert(0, str(NOTEBOOKS))
build: Any = import_module("build")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

TEXT = """# %% [markdown]
# # A lesson

# %%
import os

{code}
"""


@pytest.fixture
def lesson(tmp_path: Path, stack: Run) -> Any:
    """Builds a small lesson of some code; what became of it, and the notebook."""

    def make(code: str) -> tuple[str, Any]:
        text, target = tmp_path / "lesson.py", tmp_path / "lesson.ipynb"
        text.write_text(TEXT.format(code=code), encoding="utf-8")
        said = build.build(text, target, stack)
        made = cast("Any", nbformat.read(target, as_version=4))  # pyright: ignore[reportUnknownMemberType]
        return said, made

    return make


def test_what_differs_from_run_to_run_leaves_a_notebook_as_it_is(lesson: Any) -> None:
    code = "print(f'eyJ…·812 chars·sha256 {os.urandom(2).hex()} at localhost:{os.getpid()}, 3 ms')"
    first, notebook = lesson(code)
    again, same = lesson(code)
    assert first.endswith("kB")
    assert again == "unchanged"
    assert same == notebook


def test_what_a_cell_newly_says_is_written(lesson: Any) -> None:
    assert lesson("print('one')")[0].endswith("kB")
    assert lesson("print('two')")[0].endswith("kB")


def test_addresses_of_the_run_become_the_usual_ones(lesson: Any, stack: Run) -> None:
    _, notebook = lesson(f"print('{stack.server} {stack.bridge}/authorize {stack.state}/x')")
    said = notebook.cells[1].outputs[0].text
    assert said == "http://localhost:3001/mcp http://localhost:3004/authorize ~/.local/state/mcp-demo/x\n"


def test_a_notebook_that_is_too_large_is_refused(lesson: Any) -> None:
    with pytest.raises(ValueError, match="300000 is the most"):
        lesson("print('x' * 300_000)")


def test_a_prediction_hides_its_source_and_ids_are_stable(lesson: Any) -> None:
    _, notebook = lesson("pass\n\n# %%\nlab.predict('?', {'a': 'b'}, 'a')".replace("pass", "from mcp_demo import lab"))
    cells = [(cell.id, dict(cell.metadata)) for cell in notebook.cells]
    assert cells[2] == ("code-02", {"jupyter": {"source_hidden": True}})
    assert cells[1] == ("code-01", {})


def test_a_number_without_a_text_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main(["99"]) == 4
    assert capsys.readouterr().err == "There is no text for 99.\n"
