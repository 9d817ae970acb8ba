"""The pictures of the stacks are those of the templates."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = Path(__file__).parents[2] / "docs" / "diagrams.py"


@pytest.fixture(scope="module")
def diagrams() -> ModuleType:
    spec = importlib.util.spec_from_file_location("diagrams", SOURCE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_made_of_the_templates(diagrams: ModuleType) -> None:
    assert diagrams.PAGE.read_text(encoding="utf-8") == diagrams.page(), "Run: make diagrams"


def test_every_resource_is_drawn_or_counted(diagrams: ModuleType) -> None:
    page = diagrams.page()
    for name in diagrams.STACKS:
        stack = diagrams.Stack(name)
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        counted = sum(map(int, re.findall(r"(\d+) \w+::", section.partition("Not drawn:")[2])))
        drawn = stack.drawn()
        assert counted + len(drawn) == len(stack.resources)
        assert [key for key in drawn if not re.search(rf'["/>]{key}<|>{key}"', section)] == []
