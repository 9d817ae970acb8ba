"""What the browser tests share."""

from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, BrowserContext


@pytest.fixture
def context(browser: Browser) -> Generator[BrowserContext]:
    """A browser of somebody who was never here."""
    context = browser.new_context()
    yield context
    context.close()
