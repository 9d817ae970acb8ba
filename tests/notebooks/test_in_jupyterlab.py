"""A notebook in a real JupyterLab: cell by cell as a learner runs it, and in its themes."""

from pathlib import Path

import pytest
from conftest import Served, Theme
from lessons import LESSONS, read
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = pytest.mark.slow

_LESSON = LESSONS[0]
_PATIENCE = 60_000
_BRIGHTNESS = """node => {
  const pixel = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const brightness = colour => {
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = colour;
    pixel.fillRect(0, 0, 1, 1);
    return [...pixel.getImageData(0, 0, 1, 1).data].slice(0, 3).reduce((sum, value) => sum + value / 765, 0);
  };
  const style = getComputedStyle(node);
  return [brightness(style.color), brightness(style.backgroundColor)];
}"""


def opened(page: Page, url: str) -> Locator:
    """The cells of a notebook that has just been opened, its outputs cleared, its kernel ready."""
    page.goto(url)
    found = page.locator(".jp-Notebook .jp-Cell")
    expect(found.first).to_be_visible(timeout=_PATIENCE)
    expect(found).to_have_count(len(read(_LESSON)["cells"]), timeout=_PATIENCE)
    expect(page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]")).to_be_attached(timeout=_PATIENCE)
    page.get_by_role("menuitem", name="Edit", exact=True).click()
    page.get_by_role("menuitem", name="Clear Outputs of All Cells").click()
    expect(page.locator(".jp-Notebook article")).to_have_count(0, timeout=_PATIENCE)
    return found


def run_one_by_one(page: Page, found: Locator, upto: int) -> None:
    """Press Shift and Enter in each cell, and wait until it shows something."""
    found.first.click()
    page.keyboard.press("Escape")
    for place, cell in enumerate(read(_LESSON)["cells"][:upto]):
        page.keyboard.press("Shift+Enter")
        if cell["cell_type"] == "code":
            shown = found.nth(place).locator(".jp-OutputArea-output")
            expect(shown.first).to_be_visible(timeout=_PATIENCE)


def test_a_learner_runs_the_first_notebook_cell_by_cell(jupyter: Served, chromium: Browser, tmp_path: Path) -> None:
    with jupyter("JupyterLab Light") as lab:
        page = chromium.new_page(viewport={"width": 1280, "height": 1000})
        found = opened(page, lab.url(_LESSON.stem))
        run_one_by_one(page, found, found.count())
        expect(page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]")).to_be_attached(timeout=_PATIENCE)
        wrong = page.locator("[data-mime-type*='vnd.jupyter.error'], [data-mime-type*='vnd.jupyter.stderr']")
        assert wrong.count() == 0, wrong.first.inner_text()
        for name in ("Call whoami, without a token", "Trade the code for tokens", "A token taken apart"):
            expect(page.get_by_role("article", name=name)).to_be_visible()
        expect(page.get_by_role("img", name="Sequence diagram, 7 hops")).to_be_visible()
        expect(page.get_by_role("img", name="the page “Sign in”").first).to_be_visible()
        page.screenshot(path=tmp_path / "light.png")
        page.close()


@pytest.mark.parametrize(("theme", "system"), [("JupyterLab Dark", "light"), ("JupyterLab Light", "dark")])
def test_cards_follow_the_theme_of_the_notebook_and_not_of_the_system(
    theme: Theme, system: str, jupyter: Served, chromium: Browser, tmp_path: Path
) -> None:
    with jupyter(theme) as lab:
        page = chromium.new_page(
            viewport={"width": 1280, "height": 1600}, color_scheme="dark" if system == "dark" else "light"
        )
        found = opened(page, lab.url(_LESSON.stem))
        first_card = next(place for place, cell in enumerate(read(_LESSON)["cells"]) if _is_step(cell))
        run_one_by_one(page, found, first_card + 1)
        expect(page.get_by_role("article", name="Call whoami, without a token")).to_be_visible()
        for card in page.locator(".jp-Notebook article").all():
            ink, ground = card.evaluate(_BRIGHTNESS)
            assert (ground < 0.3 and ink > 0.6) if theme.endswith("Dark") else (ground > 0.9 and ink < 0.4)
        page.screenshot(path=tmp_path / f"{theme}.png")
        page.close()


def _is_step(cell: dict[str, str]) -> bool:
    return cell["cell_type"] == "code" and "lab.next_step" in cell["source"]
