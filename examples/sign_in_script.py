"""A sign-in script for `mcp-demo conformance run URL --sign-in-script FILE`: one function that signs in on a page.

It is called once for every browser session that is not signed in yet, with the page that asks who is there, and has to
leave it with the button that goes on. Consent pages with a button Allow, Approve, Authorize or Accept are answered by
the suite. `page` is a page of Playwright, https://playwright.dev/python/docs/api/class-page.
"""

import os

from playwright.sync_api import Page


def sign_in(page: Page) -> None:
    """Sign in at a provider that asks for the name first, and for the password on the next page."""
    page.get_by_label("Username").fill(os.environ["MCP_USERNAME"])
    if page.get_by_role("button", name="Next").count():
        page.get_by_role("button", name="Next").click()
    page.get_by_label("Password", exact=True).fill(os.environ["MCP_PASSWORD"])
    with page.expect_navigation():
        page.get_by_role("button", name="Sign in").click()
