"""Every notebook as the page that nbconvert makes of it, in a real browser: wide and narrow, light and dark."""

from pathlib import Path
from typing import Any

import pytest
from lessons import LESSONS, read
from nbconvert import HTMLExporter  # pyright: ignore[reportMissingTypeStubs]
from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

_TOO_FAINT = """least => {
  const pixel = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = colour => {
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = colour;
    pixel.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const grounds = node => node ? over(rgba(getComputedStyle(node).backgroundColor), grounds(node.parentElement))
                               : [255, 255, 255, 1];
  const linear = value => value <= 10 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map(linear)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const faint = [];
  for (const node of document.querySelectorAll('article, article *')) {
    const own = [...node.childNodes].filter(c => c.nodeType === 3).map(c => c.data.trim()).join('');
    if (!own || !node.checkVisibility() || node.closest('svg')) continue;
    const ground = grounds(node), ink = over(rgba(getComputedStyle(node).color), ground);
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < least) faint.push(`${ratio.toFixed(1)}: ${own.slice(0, 40)}`);
  }
  return [...new Set(faint)];
}"""
_TOO_WIDE = """() => [...document.querySelectorAll('article')].filter(card => card.scrollWidth > card.clientWidth + 1
  || card.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map(card => card.ariaLabel)"""


@pytest.fixture
def page(chromium: Browser) -> Page:
    """A page for one test; it ends with its browser."""
    return chromium.new_page()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_cards_are_readable_and_stay_within_the_page(theme: str, page: Page, tmp_path: Path) -> None:
    exporter: Any = HTMLExporter(theme=theme)
    for lesson in LESSONS:
        html, _ = exporter.from_notebook_node(read(lesson))
        file = tmp_path / f"{lesson.stem}.html"
        file.write_text(html, encoding="utf-8")
        # The browser prefers the other scheme: what counts is the theme of the page.
        page.emulate_media(color_scheme="light" if theme == "dark" else "dark")
        for width in (1280, 380):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(file.as_uri(), wait_until="domcontentloaded")
            assert page.evaluate(_TOO_WIDE) == [], f"{lesson.stem} at {width}"
            assert page.evaluate(_TOO_FAINT, 4.5) == [], f"{lesson.stem} at {width}"
